private import CShims
import Freezer
private import Glibc
import RuntimeCore

/// `attach --pid` and `attach --pidfile`: a process that somebody else has started, and its descendants.
final class TreeCharge: Charge {
    private(set) var cgroup: (cgroup: Cgroup, isOurs: Bool)?
    private(set) var exitCode: CInt?
    /// Of the process at the top: readable when it has ended.
    private(set) var descriptor: CInt = -1
    private let pidfile: String?
    private let pollInterval: Duration
    private let logger: Logger
    private var lookout: Lookout?
    private lazy var tree = ProcessTree { [weak self] in self?.lookout?.spared ?? [] }
    /// Why the log says that nobody is there; nil where it does not say so.
    private var announced: String?

    init(_ settings: AttachSettings, _ logger: Logger) throws {
        self.logger = logger
        pollInterval = settings.attend.pollInterval
        if case .pidfile(let path) = settings.target { pidfile = path } else { pidfile = nil }
        if case .pid(let pid) = settings.target {
            guard try adopt(pid) else { throw SidecarError(.machine, "there is no process \(pid)") }
            cgroup = try findCgroup(pid, settings.freezer).map { ($0, false) }
        } else if settings.freezer != .auto, settings.freezer != .sigstop {
            throw SidecarError(
                .machine, "the process of a pidfile changes its cgroup: use --freezer sigstop, or --cgroup")
        }
    }

    deinit { if descriptor >= 0 { close(descriptor) } }

    var process: ProcessID? { tree.root }
    var kin: ProcessID? { tree.root }

    func processes(_ lookout: Lookout) -> any ProcessSet {
        self.lookout = lookout
        return tree
    }

    func tend(_ workspace: Workspace, mayStart: Bool) throws -> Duration? {
        if descriptor >= 0 {
            guard hasEnded else { return nil }
            logger.info("agent ended", [.pid: LogValue(tree.root ?? 0)])
            close(descriptor)
            descriptor = -1
            _ = tree.replaceRoot(nil)
            announced = nil
        }
        guard let pidfile else {
            exitCode = 0
            return nil
        }
        let reason: String
        switch Self.read(pidfile) {
        case .success(let pid):
            if try adopt(pid) {
                logger.info("attached", [.pid: LogValue(pid)])
                return nil
            }
            reason = "there is no process \(pid)"
        case .failure(let problem): reason = problem.text
        }
        if reason != announced {
            logger.info("waiting for the agent", [.path: LogValue(pidfile), .reason: .text(reason)])
        }
        announced = reason
        return pollInterval
    }

    func follow(_ onSwitch: OnSwitch, standing: [Holder]) { onSwitch.signal(tree.root.map { [$0] } ?? [], logger) }

    private var hasEnded: Bool {
        var poll = PollSet([descriptor])
        poll.wait(.zero)
        return poll.isReady(0)
    }

    /// Puts a process at the top; false where there is none of that number.
    private func adopt(_ pid: ProcessID) throws -> Bool {
        guard pid != getpid(), !ProcessTable.ancestors(of: getpid()).contains(pid) else {
            throw SidecarError(.machine, "process \(pid) is the sidecar itself, or one that it descends from")
        }
        let raw = wvs_pidfd_open(pid, 0)
        guard raw >= 0 else {
            if [ESRCH, EINVAL].contains(lastErrno) { return false }
            throw SystemError("pidfd_open", String(pid))
        }
        // The descriptor came first: the number that is looked up now is that very process's, or it is ready at once.
        guard tree.replaceRoot(pid) else {
            close(raw)
            return false
        }
        descriptor = raw
        return true
    }

    /// Why a pidfile names nobody.
    private struct NoProcess: Error { let text: String }

    /// The number on the file's first line: what stands below it is another matter. The agent may write it: neither a FIFO nor an
    /// endless text may hold the sidecar up.
    private static func read(_ pidfile: String) -> Result<ProcessID, NoProcess> {
        do {
            let line = try ProcFS.beginning(of: pidfile, atMost: 32).prefix { $0 != UInt8(ascii: "\n") }
            let text = String(decoding: line, as: UTF8.self).filter { $0 != " " && $0 != "\t" && $0 != "\r" }
            guard let pid = ProcessID(text), pid > 1 else {
                return .failure(NoProcess(text: "its first line is no process id"))
            }
            return .success(pid)
        } catch {
            return .failure(NoProcess(text: String(describing: error)))
        }
    }

    /// The process's own cgroup, where nobody is in it but its descendants: the kernel then proves what SIGSTOP only tries.
    private func findCgroup(_ pid: ProcessID, _ choice: FreezerChoice) throws -> Cgroup? {
        var reason = ""
        for version in choice.cgroupVersions {
            do {
                guard let folder = try Cgroup.folder(of: pid, version) else {
                    reason = "it is in no such cgroup that is mounted here"
                    continue
                }
                let cgroup = try Cgroup(path: folder)
                let population = try cgroup.population()
                let strangers = Set(population.processes).subtracting(try tree.members())
                if strangers.isEmpty, population.doubt == nil { return cgroup }
                reason = strangers.min().map { "process \($0) is in its cgroup too" } ?? population.doubt ?? ""
            } catch {
                reason = String(describing: error)
            }
        }
        guard choice == .auto else {
            if choice == .sigstop { return nil }
            throw SidecarError(.machine, "the cgroup of process \(pid) cannot be frozen: \(reason)")
        }
        logger.info("freezing by SIGSTOP, best effort", [.pid: LogValue(pid), .reason: .text(reason)])
        return nil
    }
}
