import Freezer
private import Glibc
import RuntimeCore

/// `attach --cgroup`: an existing cgroup, with whoever is in it.
final class CgroupCharge: Charge {
    let cgroup: (cgroup: Cgroup, isOurs: Bool)?
    private let logger: Logger
    private(set) var exitCode: CInt?

    /// How often to look whether the cgroup is still there; nothing tells of its end.
    private static let interval = Duration.seconds(5)

    init(_ path: String, _ choice: FreezerChoice, _ logger: Logger) throws(SidecarError) {
        self.logger = logger
        let cgroup: Cgroup
        do throws(SystemError) {
            guard let resolved = realpath(path, nil) else { throw SystemError("realpath", path) }
            defer { free(resolved) }
            cgroup = try Cgroup(path: String(cString: resolved))
        } catch {
            throw SidecarError(.machine, "\(path) is not a cgroup that can be frozen here", cause: error)
        }
        guard choice == .auto || choice.cgroupVersions.contains(cgroup.version) else {
            throw SidecarError(
                .machine, "\(path) is a cgroup of another kind than --freezer \(choice.rawValue) asks for")
        }
        self.cgroup = (cgroup, false)
    }

    let process: ProcessID? = nil

    func processes(_ lookout: Lookout) -> any ProcessSet { NoProcesses() }

    func tend(_ workspace: Workspace, mayStart: Bool) -> Duration? {
        guard let cgroup = cgroup?.cgroup, cgroup.isGone else { return Self.interval }
        logger.info("the cgroup is gone", [.cgroup: LogValue(cgroup.path)])
        exitCode = 0
        return nil
    }

    func follow(_ onSwitch: OnSwitch, standing: [Holder]) { onSwitch.signal(standing.map(\.process), logger) }
}

/// Nobody.
final class NoProcesses: ProcessSet {
    func members() -> [ProcessID] { [] }
    func contains(_ process: ProcessID) -> Bool { false }
}

extension OnSwitch {
    /// Sends the signal to processes that this sidecar has not started.
    func signal(_ processes: [ProcessID], _ logger: Logger) {
        guard case .signal(let number) = self else { return }
        for pid in processes {
            if kill(pid, number) == 0 {
                logger.info(
                    "signalled the agent after the switch",
                    [.pid: LogValue(pid), .signal: .integer(Int64(number))])
            } else if lastErrno != ESRCH {
                logger.warn(
                    "the agent could not be signalled after the switch",
                    [.pid: LogValue(pid), .error: LogValue(SystemError("kill", String(pid)))])
            }
        }
    }
}
