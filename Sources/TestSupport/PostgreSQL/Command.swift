private import CShims
private import Glibc
import Runtime
import RuntimeCore

/// A program run to its end.
package enum Command {
    private static let threads = BlockingPool(label: "test.command", width: 4)

    struct Failure: Error, CustomStringConvertible {
        let program: String
        let status: CInt
        let output: String
        var description: String { "\(program) ended with status \(status): \(output)" }
    }

    /// Runs `words` and answers what it printed; throws unless its exit status is 0.
    @discardableResult
    package static func run(_ words: [String]) async throws -> String {
        try await threads.run { try runBlocking(words) }
    }

    private static func runBlocking(_ words: [String]) throws -> String {
        var ends: [CInt] = [0, 0]
        try systemCall("pipe2") { wvs_pipe2(&ends, O_CLOEXEC) }
        let output = FileDescriptor(owning: ends[0])
        let pid: CInt
        do {
            let input = FileDescriptor(owning: ends[1])
            pid = try spawn(words, output: input.raw)
        }
        var text: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = try systemCall("read") { read(output.raw, &chunk, chunk.count) }
            if count == 0 { break }
            text += chunk[..<count]
        }
        var status: CInt = 0
        try systemCall("waitpid") { waitpid(pid, &status, 0) }
        let printed = String(decoding: text, as: UTF8.self)
        guard status == 0 else { throw Failure(program: words[0], status: status, output: printed) }
        return printed
    }

    /// Starts `words` in a session of its own, with `/dev/null` or `input` as standard input and `output` for the rest.
    static func spawn(_ words: [String], input: CInt? = nil, output: CInt? = nil) throws -> CInt {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        if let input {
            posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO)
        } else {
            posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        }
        for standard in [STDOUT_FILENO, STDERR_FILENO] {
            if let output {
                posix_spawn_file_actions_adddup2(&actions, output, standard)
            } else {
                posix_spawn_file_actions_addopen(&actions, standard, "/dev/null", O_WRONLY, 0)
            }
        }
        let attributes = SpawnAttributes(ownGroup: false)
        // A session of its own: Ctrl-C reaches the test, and who cleans up must outlive it. And "/": the test's own folder may be
        // closed to the user that the program becomes.
        let words = ["setsid", "env", "-C", "/"] + words
        var arguments = words.map { strdup($0) } + [nil]
        defer { arguments.forEach { free($0) } }
        var pid: pid_t = 0
        let code = posix_spawnp(&pid, words[0], &actions, &attributes.raw, &arguments, environ)
        guard code == 0 else { throw SystemError("posix_spawn", words[0], errno: code) }
        return pid
    }
}
