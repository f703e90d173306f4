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
        let folder = try openControl()
        return try freeze(in: folder.raw, timeout: timeout)
    }

    /// Makes what is missing in `.wvs`.
    func prepareAnew() throws {
        let folder = try openControl()
        try FreezeCoordinator.prepare(controlDirectory: folder.raw, owner: nil)
    }

    private func openControl() throws -> FileDescriptor {
        let path = "\(path)/.wvs"
        return FileDescriptor(
            owning: try systemCall("open", path) {
                wvs_open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, 0)
            })
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

extension Sandbox {
    /// Over a shell script.
    convenience init(
        _ workspace: TestWorkspace, _ script: String, options: [String] = [], environment: [String: String] = [:]
    ) async throws {
        try await self.init(
            workspace.path, state: "\(workspace.mount)/state", ["/bin/sh", "-c", script], options: options,
            environment: environment)
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
