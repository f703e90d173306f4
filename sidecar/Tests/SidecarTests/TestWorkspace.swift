private import CShims
private import Glibc
import Quiesce
import RuntimeCore
import TestSupport

/// A workspace as the executor makes it, in a temporary folder that goes at the end.
final class TestWorkspace: Sendable {
    let mount: String
    let wsid = "agent-1"
    let control: CInt
    private let epoch = Mutex<UInt64>(0)

    var path: String { "\(mount)/\(wsid)" }
    var live: String { "\(path)/live/one" }

    init() throws {
        var template = Array("/tmp/wvs-sidecar-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw SystemError("mkdtemp") }
        mount = String(cString: made)
        // The agent of some tests has another user.
        chmod(mount, 0o755)
        let path = "\(mount)/\(wsid)"
        for (folder, mode) in [("", 0o755), ("/.wvs", 0o700), ("/live", 0o711), ("/live/one", 0o777)] as [(String, mode_t)]
        {
            try systemCall("mkdir", path + folder) { mkdir(path + folder, mode) }
            chmod(path + folder, mode)
        }
        control = try systemCall("open") { wvs_open("\(path)/.wvs", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
        try FreezeCoordinator.prepare(controlDirectory: control, owner: nil)
        try systemCall("symlink") { symlink("live/one", "\(path)/current") }
    }

    deinit {
        close(control)
        if let remover = try? Command.spawn(["/bin/rm", "-rf", mount]) { waitpid(remover, nil, 0) }
    }

    func freeze(lease: Duration = .seconds(10), timeout: Duration = .seconds(10)) throws -> Freeze {
        let epoch = epoch.withLock { epoch in
            epoch += 1
            return epoch
        }
        return try FreezeCoordinator(
            controlDirectory: control, executorID: "test", logger: Logger(level: .error)
        ).freeze(
            epoch: epoch, taskID: "task-\(epoch)", lease: lease, timeout: timeout, cancellation: try Cancellation())
    }

    /// Starts `wvs-sidecar run` for a shell script and waits until it runs.
    func run(_ script: String, options: [String] = [], environment: [String: String] = [:]) async throws
        -> ProgramProcess
    {
        let sidecar = try ProgramProcess(
            "wvs-sidecar",
            arguments: ["run", "--workspace", path, "--state-dir", "\(mount)/state"] + options
                + ["--", "/bin/sh", "-c", script],
            environment: environment)
        _ = try await sidecar.line { $0.contains("agent started") }
        return sidecar
    }

    /// The size of a file of the live tree; 0 while it is not there.
    func size(_ name: String) -> Int {
        var status = stat()
        return stat("\(live)/\(name)", &status) == 0 ? status.st_size : 0
    }
}
