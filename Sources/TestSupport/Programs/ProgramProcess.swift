private import CShims
private import Dispatch
private import Glibc
import JSON
package import RuntimeCore

/// One of our programs, run as a process, with its log lines at hand.
///
/// It is killed when this object goes, and at the latest with the test's own process.
package final class ProgramProcess: Sendable {
    package let name: String
    package let pid: Int32
    private let log: LineBuffer
    private let exitStatus = Mutex<Int32?>(nil)

    /// Starts `name` from the folder that the tests were built into.
    ///
    /// - Parameters:
    ///   - path: the program's file, where it is not one of ours.
    ///   - environment: all of it, besides PATH.
    ///   - arguments: without the program's name.
    package init(
        _ name: String, at path: String? = nil, arguments: [String] = [], environment: [String: String] = [:]
    ) throws {
        self.name = name
        let path = path ?? Self.folder + "/" + name
        var ends: [CInt] = [0, 0]
        try systemCall("pipe2") { wvs_pipe2(&ends, O_CLOEXEC) }
        let readEnd = FileDescriptor(owning: ends[0])
        let writeEnd = FileDescriptor(owning: ends[1])
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0)
        posix_spawn_file_actions_adddup2(&actions, writeEnd.raw, STDOUT_FILENO)
        posix_spawn_file_actions_adddup2(&actions, writeEnd.raw, STDERR_FILENO)
        let attributes = SpawnAttributes(ownGroup: true)
        let path0 = Process.environment["PATH"] ?? "/usr/bin:/bin"
        let pairs = environment.merging(["PATH": path0], uniquingKeysWith: { first, _ in first })
        let child = try withCStrings([path] + arguments) { argv in
            try withCStrings(pairs.map { "\($0)=\($1)" }) { envp in
                var child = pid_t()
                let code = posix_spawn(&child, path, &actions, &attributes.raw, argv, envp)
                if code != 0 { throw SystemError("posix_spawn", path, errno: code) }
                return child
            }
        }
        pid = child
        Lifeline.shared.kill(child)
        log = LineBuffer(reading: readEnd.release(), label: name)
    }

    deinit { if !hasEnded { end(SIGKILL) } }

    /// The folder of the debug programs: where the test runner itself was built.
    package static let folder: String = {
        var buffer = [CChar](repeating: 0, count: 4096)
        let count = readlink("/proc/self/exe", &buffer, buffer.count)
        precondition(count > 0, "readlink /proc/self/exe")
        let path = String(decoding: buffer[..<count].map(UInt8.init(bitPattern:)), as: UTF8.self)
        return String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
    }()

    /// Everything it has written so far, standard output and error together.
    package var lines: [String] { log.lines }

    /// The first line, from the start or to come, of which `predicate` is true.
    package func line(within timeout: Duration = .seconds(20), where predicate: @escaping @Sendable (String) -> Bool)
        async throws -> String
    {
        guard let line = await log.line(within: timeout, where: predicate) else {
            throw ProgramError(message: "\(name) did not write what was waited for; it wrote\n\(tail)")
        }
        return line
    }

    /// The address on which it says it is listening as `role`, for example `grpc` or `metrics`.
    package func address(_ role: String) async throws -> SocketAddress {
        let line = try await line { line in
            let json = try? JSONValue(parsing: line)
            return json?["msg"]?.string == "listening" && json?["program"]?.string == role
        }
        guard let text = try JSONValue(parsing: line)["address"]?.string, let address = SocketAddress(text) else {
            throw ProgramError(message: "\(name) logged no address: \(line)")
        }
        return address
    }

    package func signal(_ number: CInt) { if !hasEnded { kill(pid, number) } }

    package var hasEnded: Bool {
        exitStatus.withLock { status in
            if status != nil { return true }
            var raw: CInt = 0
            guard waitpid(pid, &raw, WNOHANG) == pid else { return false }
            status = raw
            return true
        }
    }

    /// Sends a signal and waits until the process is gone. Returns the exit status as a shell would say it.
    @discardableResult
    package func end(_ number: CInt = SIGTERM) -> Int32 {
        signal(number)
        return wait()
    }

    /// Waits until the process is gone by itself. Blocks.
    @discardableResult
    package func wait() -> Int32 {
        exitStatus.withLock { status in
            var raw: CInt = status ?? 0
            while status == nil {
                if waitpid(pid, &raw, 0) == pid { status = raw } else if lastErrno != EINTR { break }
            }
            return raw & 0x7f == 0 ? (raw >> 8) & 0xff : 128 + (raw & 0x7f)
        }
    }

    /// Waits for the end without holding a cooperative thread.
    @discardableResult
    package func ended(within timeout: Duration = .seconds(20)) async throws -> Int32 {
        guard await log.end(within: timeout) else {
            throw ProgramError(message: "\(name) did not end; it wrote\n\(tail)")
        }
        return wait()
    }

    /// Its last lines, for messages.
    package var tail: String { lines.suffix(20).joined(separator: "\n") }
}

package struct ProgramError: Error, CustomStringConvertible {
    package let message: String
    package init(message: String) { self.message = message }
    package var description: String { message }
}

private func withCStrings<Result>(
    _ strings: [String], _ body: ([UnsafeMutablePointer<CChar>?]) throws -> Result
) rethrows -> Result {
    let pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) } + [nil]
    defer { pointers.forEach { $0.map { free($0) } } }
    return try body(pointers)
}
