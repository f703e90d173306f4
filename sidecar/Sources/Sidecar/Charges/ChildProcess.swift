private import CShims
private import Freezer
private import Glibc
import RuntimeCore

/// The agent: the one process that this sidecar starts.
final class ChildProcess {
    enum User: Equatable {
        case own
        case other(uid: UInt32, gid: UInt32)
    }

    let pid: CInt
    /// Whether clone3(2) bore it in its cgroup; else it walked in before exec.
    let isBornInside: Bool
    private let pidfd: CInt

    /// Starts `command` in `directory`.
    ///
    /// - Parameters:
    ///   - cgroup: the open directory of its cgroup and its open `cgroup.procs`; nil for that of the sidecar.
    ///   - ownSession: for a child that may be stopped when the sidecar dies: Linux sends SIGHUP to the stopped members of a
    ///     group that loses its last tie to its session.
    ///   - allowClone3: false takes the way for machines whose seccomp filter knows no clone3, as Docker's by default.
    init(
        _ command: [String], user: User, directory: CInt, cgroup: (directory: CInt, procs: CInt)?, nice: CInt,
        ownSession: Bool, allowClone3: Bool = true
    ) throws(SidecarError) {
        var arguments: [UnsafeMutablePointer<CChar>?] = command.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var launch = wvs_launch()
        launch.cgroup = cgroup?.directory ?? -1
        launch.procs = cgroup?.procs ?? -1
        launch.directory = directory
        launch.nice = nice
        launch.new_session = ownSession ? 1 : 0
        if case .other(let uid, let gid) = user { (launch.set_user, launch.uid, launch.gid) = (1, uid, gid) }
        let failure: SystemError? = arguments.withUnsafeMutableBufferPointer { pointers in
            launch.argv = UnsafePointer(pointers.baseAddress)
            launch.envp = UnsafePointer(environ)
            for useClone3 in allowClone3 ? [true, false] : [false] {
                launch.use_clone3 = useClone3 ? 1 : 0
                let code = wvs_launch(&launch)
                if code == 0 { return nil }
                let step = launch.step.map { String(cString: $0) } ?? "launch"
                if step != "clone3" || code == EAGAIN || code == ENOMEM {
                    return SystemError(step, step == "exec" ? command[0] : nil, errno: code)
                }
            }
            return SystemError("clone3", errno: ENOSYS)
        }
        if let failure { throw SidecarError(.launch, "the agent cannot be started", cause: failure) }
        pid = launch.pid
        pidfd = launch.pidfd
        isBornInside = launch.use_clone3 != 0
    }

    deinit { close(pidfd) }

    /// Whether there is a terminal whose signals and job control the agent shares with the sidecar.
    static var hasTerminal: Bool {
        let terminal = wvs_open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC, 0)
        if terminal >= 0 { close(terminal) }
        return terminal >= 0
    }

    /// Orphans below this process become its children, wherever they were born.
    static func adoptOrphans() -> CInt { wvs_become_subreaper() }

    func send(_ signal: CInt) {
        // ESRCH: it has ended, and its status is on the way.
        _ = wvs_pidfd_send_signal(pidfd, signal)
    }
}

/// How a process ended, as shells write it: its exit code, or 128 and the signal's number.
enum ExitStatus {
    /// - Parameter status: from waitpid(2).
    static func code(_ status: CInt) -> CInt {
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }
}
