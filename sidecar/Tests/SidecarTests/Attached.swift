private import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// A process that no sidecar has started: a shell script, as a process group of its own that is killed when this object goes.
final class Stranger: Sendable {
    let pid: CInt

    /// - Parameters:
    ///   - folder: where it works.
    ///   - cgroup: the folder of the cgroup that it enters first.
    ///   - launcher: words that go before the shell, such as those of setpriv(1).
    init(in folder: String, _ script: String, cgroup: String? = nil, launcher: [String] = []) throws {
        let entrance = cgroup.map { "echo $$ > \($0)/cgroup.procs; " } ?? ""
        let attributes = SpawnAttributes(ownGroup: true)
        let arguments = launcher + ["/bin/sh", "-c", "\(entrance)cd \(folder); \(script)"]
        let words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { for word in words { free(word) } }
        var child: pid_t = 0
        let code = posix_spawnp(&child, arguments[0], nil, &attributes.raw, words, environ)
        if code != 0 { throw SystemError("posix_spawn", errno: code) }
        pid = child
    }

    deinit { end() }

    /// Kills the whole group and waits for its leader.
    func end() {
        kill(-pid, SIGKILL)
        kill(-pid, SIGCONT)
        waitpid(pid, nil, 0)
    }
}

/// A sidecar that looks after somebody whom it has not started.
final class Attached: Sendable {
    let sidecar: ProgramProcess

    init(_ workspace: TestWorkspace, _ arguments: [String]) async throws {
        sidecar = try ProgramProcess(
            "wvs-sidecar",
            arguments: arguments + ["--workspace", workspace.path, "--state-dir", "\(workspace.mount)/state"])
        _ = try await sidecar.line { $0.contains("sidecar ready") }
    }

    deinit {
        sidecar.signal(SIGCONT)
        _ = sidecar.end(SIGTERM)
    }
}

/// A cgroup for a test, killed and removed when this object goes.
final class TestCgroup: Sendable {
    enum Kind: String, CaseIterable, Sendable { case cgroup2, cgroup1 }

    let path: String
    private let kind: Kind

    init(_ kind: Kind, _ name: String) throws {
        self.kind = kind
        var parent: String?
        for line in try readText("/proc/self/mounts").split(separator: "\n") {
            let fields = line.split(separator: " ")
            guard fields.count > 3 else { continue }
            let isMeant =
                kind == .cgroup2
                ? fields[2] == "cgroup2" : fields[2] == "cgroup" && fields[3].split(separator: ",").contains("freezer")
            if isMeant { parent = String(fields[1]) }
        }
        guard let parent else { throw SystemError("find", "a \(kind.rawValue) mount", errno: ENOENT) }
        path = "\(parent)/wvs-test-\(getpid())-\(name)-\(UInt32.random(in: 0 ... .max))"
        let path = path
        try systemCall("mkdir", path) { mkdir(path, 0o755) }
    }

    var isFrozen: Bool {
        let text = try? readText("\(path)/\(kind == .cgroup2 ? "cgroup.events" : "freezer.state")")
        return text?.contains(kind == .cgroup2 ? "frozen 1" : "FROZEN") ?? false
    }

    /// Freezes it or lets it run, as anybody may who has the right to.
    func setFrozen(_ isFrozen: Bool) {
        let file = open("\(path)/\(kind == .cgroup2 ? "cgroup.freeze" : "freezer.state")", O_WRONLY | O_CLOEXEC)
        let text = kind == .cgroup2 ? (isFrozen ? "1" : "0") : (isFrozen ? "FROZEN" : "THAWED")
        #expect(write(file, text, text.utf8.count) == text.utf8.count)
        close(file)
    }

    deinit {
        setFrozen(false)
        let deadline = MonotonicTime.now + .seconds(5)
        while rmdir(path) == -1, lastErrno == EBUSY, MonotonicTime.now < deadline {
            for word in (try? readText("\(path)/cgroup.procs"))?.split(separator: "\n") ?? [] {
                if let pid = CInt(word) { kill(pid, SIGKILL) }
            }
            usleep(1000)
        }
    }
}

func readText(_ path: String) throws -> String {
    let file = try systemCall("open", path) { open(path, O_RDONLY | O_CLOEXEC) }
    defer { close(file) }
    var bytes: [UInt8] = []
    var chunk = [UInt8](repeating: 0, count: 16_384)
    while true {
        let count = try systemCall("read", path) { read(file, &chunk, chunk.count) }
        if count == 0 { return String(decoding: bytes, as: UTF8.self) }
        bytes += chunk[..<count]
    }
}

/// Runs a program to its end.
func output(_ program: String, _ arguments: [String], environment: [String: String] = [:]) async throws -> (
    status: Int32, lines: [String]
) {
    let process = try ProgramProcess(program, arguments: arguments, environment: environment)
    let status = try await process.ended()
    return (status, process.lines)
}
