private import CShims
private import Glibc
import Quiesce
import RuntimeCore
import TestSupport

/// A workspace as the executor makes it, in a temporary folder that goes at the end, and the executor's side of the protocol.
final class TestWorkspace: Sendable {
    let mount: String
    let wsid: String
    let control: CInt
    private let ownsMount: Bool
    private let epoch = Mutex<UInt64>(0)

    var path: String { "\(mount)/\(wsid)" }
    var live: String { "\(path)/live/one" }

    /// - Parameter mount: the folder to make it in; a temporary one of its own otherwise.
    init(wsid: String = "agent-1", in mount: String? = nil) throws {
        ownsMount = mount == nil
        var template = Array("/tmp/wvs-sidecar-XXXXXX".utf8CString)
        if let mount {
            self.mount = mount
        } else {
            guard let made = mkdtemp(&template) else { throw SystemError("mkdtemp") }
            self.mount = String(cString: made)
            // The agent of some tests has another user.
            chmod(self.mount, 0o755)
        }
        self.wsid = wsid
        let path = "\(self.mount)/\(wsid)"
        let folders: [(String, mode_t)] = [("", 0o755), ("/.wvs", 0o700), ("/live", 0o711), ("/live/one", 0o777)]
        for (folder, mode) in folders {
            try systemCall("mkdir", path + folder) { mkdir(path + folder, mode) }
            chmod(path + folder, mode)
        }
        control = try systemCall("open") { wvs_open("\(path)/.wvs", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
        try FreezeCoordinator.prepare(controlDirectory: control, owner: nil)
        try systemCall("symlink") { symlink("live/one", "\(path)/current") }
    }

    deinit {
        close(control)
        if ownsMount { removeTree(mount) }
    }

    /// The executor removes the workspace.
    func remove() { removeTree(path) }

    /// As `freeze`, by way of the folder's name: as an executor does, who opens it anew for each operation.
    func freezeAnew(timeout: Duration) throws -> Freeze {
        let path = "\(path)/.wvs"
        let folder = FileDescriptor(
            owning: try systemCall("open", path) {
                wvs_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
            })
        return try freeze(in: folder.raw, timeout: timeout)
    }

    /// - Parameter expectCurrent: for a switch.
    func freeze(
        expectCurrent: String? = nil, lease: Duration = .seconds(10), timeout: Duration = .seconds(10)
    ) throws -> Freeze {
        try freeze(in: control, expectCurrent: expectCurrent, lease: lease, timeout: timeout)
    }

    private func freeze(
        in control: CInt, expectCurrent: String? = nil, lease: Duration = .seconds(10), timeout: Duration
    ) throws -> Freeze {
        let epoch = epoch.withLock { epoch in
            epoch += 1
            return epoch
        }
        return try FreezeCoordinator(
            controlDirectory: control, executorID: "test", logger: Logger(level: .error)
        ).freeze(
            epoch: epoch, taskID: "task-\(epoch)", expectCurrent: expectCurrent, lease: lease, timeout: timeout,
            cancellation: try Cancellation())
    }

    /// Whether there is such an entry in the live tree.
    func exists(_ name: String) -> Bool { access("\(live)/\(name)", F_OK) == 0 }

    /// Freezes, moves `current` to another tree as the executor does, and thaws.
    func switchTree(to name: String) throws -> Receipt {
        let tree = "\(path)/live/\(name)"
        try systemCall("mkdir", tree) { mkdir(tree, 0o777) }
        chmod(tree, 0o777)
        let freeze = try freeze(expectCurrent: "live/\(name)")
        let link = "\(path)/.current"
        try systemCall("symlink", link) { symlink("live/\(name)", link) }
        try systemCall("rename", link) { rename(link, "\(path)/current") }
        return try freeze.resume(
            expectCurrent: "live/\(name)", timeout: .seconds(10), cancellation: try Cancellation())
    }

    /// The size of a file of the live tree; 0 while it is not there.
    func size(_ name: String) -> Int {
        var status = stat()
        return stat("\(live)/\(name)", &status) == 0 ? status.st_size : 0
    }
}

extension Freeze {
    func resume() throws -> Receipt { try resume(timeout: .seconds(10), cancellation: try Cancellation()) }
}

/// `wvs-sidecar run` over a shell script. What it started is killed when this object goes, also after the sidecar's own end.
final class Sandbox: Sendable {
    let sidecar: ProgramProcess
    let agent: CInt
    /// The folder of its cgroup; empty where there is none.
    let cgroup: String
    private let mark = ProcessMark()

    convenience init(
        _ workspace: TestWorkspace, _ script: String, options: [String] = [], environment: [String: String] = [:]
    ) async throws {
        try await self.init(
            workspace.path, state: "\(workspace.mount)/state", ["/bin/sh", "-c", script], options: options,
            environment: environment)
    }

    /// - Parameters:
    ///   - path: the workspace's folder, as the sidecar sees it.
    ///   - state: the folder of its state file.
    init(
        _ path: String, state: String, _ command: [String], options: [String] = [], environment: [String: String] = [:]
    ) async throws {
        sidecar = try ProgramProcess(
            "wvs-sidecar",
            arguments: ["run", "--workspace", path, "--state-dir", state] + options + ["--"] + command,
            environment: environment.merging(mark.environment) { $1 })
        let line = try await sidecar.line { $0.contains("agent started") }
        agent = CInt(Self.field("pid", of: line)) ?? 0
        cgroup = Self.field("cgroup", of: line)
    }

    deinit {
        // A sidecar that is alive passes it on and cleans up behind its agent.
        if !sidecar.hasEnded {
            kill(sidecar.pid, SIGCONT)
            kill(agent, SIGKILL)
            sidecar.wait()
        }
        let killer = open("\(cgroup)/cgroup.kill", O_WRONLY)
        if killer >= 0 {
            write(killer, "1", 1)
            close(killer)
            let deadline = MonotonicTime.now + .seconds(5)
            while rmdir(cgroup) == -1, lastErrno == EBUSY, MonotonicTime.now < deadline { usleep(500) }
        }
        // Without a cgroup the agent's children are left, and so is who had gone out of it.
        mark.killAll()
    }

    /// Whether `cgroup.freeze` says so.
    var isFrozen: Bool {
        let file = open("\(cgroup)/cgroup.freeze", O_RDONLY)
        guard file >= 0 else { return false }
        defer { close(file) }
        var byte: UInt8 = 0
        return read(file, &byte, 1) == 1 && byte == UInt8(ascii: "1")
    }

    /// The sidecar's child of that name.
    static func guardian(of sidecar: CInt) throws -> CInt? {
        // It names itself some time after it was forked.
        for _ in 0..<2000 {
            if let guardian = try namedGuardian(of: sidecar) { return guardian }
            usleep(5000)
        }
        return nil
    }

    private static func namedGuardian(of sidecar: CInt) throws -> CInt? {
        let file = open("/proc/\(sidecar)/task/\(sidecar)/children", O_RDONLY)
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 4096)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { throw SystemError("read", "children") }
        for word in String(decoding: bytes[..<count], as: UTF8.self).split(separator: " ") {
            guard let pid = CInt(word) else { continue }
            let name = open("/proc/\(pid)/comm", O_RDONLY)
            defer { close(name) }
            var text = [UInt8](repeating: 0, count: 32)
            let length = read(name, &text, text.count)
            if length > 0, String(decoding: text[..<length], as: UTF8.self) == "wvs-guardian\n" { return pid }
        }
        return nil
    }

    /// A member of a log line, as text.
    static func field(_ name: String, of line: String) -> String {
        guard let start = line.firstRange(of: "\"\(name)\":") else { return "" }
        return String(line[start.upperBound...].prefix { $0 != "," && $0 != "}" }.filter { $0 != "\"" })
    }
}

enum ProcessState {
    /// The letter of proc(5); nil once the process is gone.
    static func of(_ pid: CInt) -> Character? { of(String(pid)) }

    /// - Parameter thread: as below /proc, for example `7/task/8`.
    static func of(_ thread: String) -> Character? {
        let file = open("/proc/\(thread)/stat", O_RDONLY)
        guard file >= 0 else { return nil }
        defer { close(file) }
        var bytes = [UInt8](repeating: 0, count: 512)
        let count = read(file, &bytes, bytes.count)
        guard count > 0 else { return nil }
        let text = String(decoding: bytes[..<count], as: UTF8.self)
        return text.split(separator: ")").last?.dropFirst().first
    }
}

/// Waits until something is so; false when it is not in time. Holds no cooperative thread meanwhile.
func eventually(within limit: Duration = .seconds(20), _ condition: () throws -> Bool) async rethrows -> Bool {
    let deadline = MonotonicTime.now + limit
    while try !condition() {
        if MonotonicTime.now >= deadline { return false }
        // Cancelled only with the whole test.
        try? await Task.sleep(for: .milliseconds(2))
    }
    return true
}

private func removeTree(_ path: String) {
    let arguments = ["rm", "-rf", path]
    let words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
    defer { for word in words { free(word) } }
    var child: pid_t = 0
    if posix_spawn(&child, "/bin/rm", nil, nil, words, environ) == 0 { waitpid(child, nil, 0) }
}
