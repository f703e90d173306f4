import Freezer
private import Glibc
import RuntimeCore

/// `run`: an agent that this sidecar starts, and starts again.
final class RunCharge: Charge {
    private enum State {
        case waiting
        case running(ChildProcess)
        /// To be started again; killed at the deadline.
        case stopping(ChildProcess, deadline: MonotonicTime, isKilled: Bool)
        /// The agent has ended, and what it started is being killed before it is started again.
        case clearing(deadline: MonotonicTime)
        case ended(CInt)
    }

    let cgroup: (cgroup: Cgroup, isOurs: Bool)?
    private let settings: RunSettings
    private let nice: CInt
    private let logger: Logger
    private var state = State.waiting
    private var members: (any ProcessSet)?

    /// - Parameter nice: what the sidecar had before it raised its own priority.
    init(_ settings: RunSettings, identity: String, nice: CInt, _ logger: Logger) throws {
        self.settings = settings
        self.nice = nice
        self.logger = logger
        try systemCall("prctl", "PR_SET_CHILD_SUBREAPER") { ChildProcess.adoptOrphans() }
        cgroup = try Self.makeCgroup("wvs-\(identity)", settings.freezer, logger).map { ($0, true) }
    }

    var process: ProcessID? { child?.pid }

    /// As the subreaper of all that the agent starts.
    var kin: ProcessID? { getpid() }

    var exitCode: CInt? {
        guard case .ended(let code) = state, !settings.linger else { return nil }
        return code
    }

    func status(told signal: CInt) -> CInt {
        // What `--linger` has put off.
        if case .ended(let code) = state { return code }
        return 128 + signal
    }

    func processes(_ lookout: Lookout) -> any ProcessSet {
        let set = Descendants(of: getpid(), except: [lookout.guardian])
        members = set
        return set
    }

    func tend(_ workspace: Workspace, mayStart: Bool) throws -> Duration? {
        switch state {
        case .waiting:
            // A freeze is under way that came too early to expect this sidecar; its end is written, and noticed.
            if mayStart { try start(workspace) }
            return nil
        case .running, .ended: return nil
        case .stopping(let child, let deadline, let isKilled):
            if !isKilled, MonotonicTime.now >= deadline {
                logger.warn("the agent did not end in time: killing it", [.pid: LogValue(child.pid)])
                child.send(SIGKILL)
                state = .stopping(child, deadline: deadline, isKilled: true)
            }
            return isKilled ? nil : max(deadline.remaining, .milliseconds(1))
        case .clearing(let deadline):
            let left = try killRest()
            guard left == 0 || MonotonicTime.now >= deadline else { return .milliseconds(5) }
            if left > 0 { logger.warn("the old agent left processes behind", [.count: .integer(Int64(left))]) }
            state = .waiting
            return try tend(workspace, mayStart: mayStart) ?? .milliseconds(5)
        }
    }

    func ended(_ child: ProcessID, status: CInt) {
        guard child == process else { return }
        let code = ExitStatus.code(status)
        logger.info("agent ended", [.code: .integer(Int64(code))])
        if case .stopping = state {
            state = .clearing(deadline: .now + .seconds(5))
        } else {
            state = .ended(code)
        }
    }

    func pass(_ signal: SignalDescriptor.Arrival) -> Bool {
        guard let child else { return false }
        if case .stopping = state, [SIGHUP, SIGINT, SIGQUIT, SIGTERM].contains(signal.number) {
            // Whoever wants the end of the agent does not want it back.
            state = .running(child)
        }
        // What the terminal sends has reached the agent already.
        if !signal.isFromTerminal { child.send(signal.number) }
        return true
    }

    func follow(_ onSwitch: OnSwitch, standing: [Holder]) {
        guard case .running(let child) = state else { return }
        switch onSwitch {
        case .none: return
        case .signal(let number):
            child.send(number)
            logger.info("signalled the agent after the switch", [.signal: .integer(Int64(number))])
        case .restart:
            child.send(SIGTERM)
            // A job that was stopped takes no signal but SIGKILL.
            child.send(SIGCONT)
            state = .stopping(child, deadline: .now + settings.restartGrace, isKilled: false)
            logger.info("restarting the agent after the switch", [.pid: LogValue(child.pid)])
        }
    }

    func leave() {
        guard let cgroup = cgroup?.cgroup else { return }
        do {
            let left = try cgroup.remove()
            if left > 0 { logger.warn("the agent left processes behind", [.count: .integer(Int64(left))]) }
        } catch {
            logger.warn("the cgroup stays", [.cgroup: LogValue(cgroup.path), .error: LogValue(error)])
        }
    }

    private var child: ChildProcess? {
        switch state {
        case .running(let child), .stopping(let child, _, _): child
        case .waiting, .clearing, .ended: nil
        }
    }

    private func start(_ workspace: Workspace) throws {
        let current = try workspace.openCurrent()
        // clone3(2) knows only cgroup2; into the other kind the child walks by itself.
        let inside = cgroup.map { (directory: $0.cgroup.directory, procs: $0.cgroup.procs) }
        let child = try ChildProcess(
            settings.command, user: settings.user, directory: current.raw, cgroup: inside, nice: nice,
            ownSession: cgroup == nil && !ChildProcess.hasTerminal,
            allowClone3: cgroup?.cgroup.version != .v1 && Self.allowsClone3)
        state = .running(child)
        logger.info(
            "agent started", [.pid: LogValue(child.pid), .cgroup: LogValue(cgroup?.cgroup.path ?? "none")])
    }

    /// Kills what an agent has left that is about to be started again.
    ///
    /// - Returns: how many there were.
    private func killRest() throws -> Int {
        let rest: [ProcessID]
        if let cgroup = cgroup?.cgroup {
            rest = try cgroup.population().processes
        } else {
            rest = try members?.members().filter { ProcessTable.status($0)?.isEnded == false } ?? []
        }
        for pid in rest { kill(pid, SIGKILL) }
        return rest.count
    }

    /// False where a test plays Docker's default filter.
    private static var allowsClone3: Bool {
        #if FAILPOINTS
            getenv("WVS_TEST_NO_CLONE3") == nil
        #else
            true
        #endif
    }

    /// Nil where SIGSTOP must do.
    private static func makeCgroup(_ name: String, _ choice: FreezerChoice, _ logger: Logger) throws -> Cgroup? {
        var refusals: [FreezerError] = []
        for version in choice.cgroupVersions {
            do {
                return try Cgroup(creating: name, version)
            } catch {
                refusals.append(error)
            }
        }
        if let refusal = refusals.first {
            if choice != .auto { throw refusal }
            let reasons = refusals.map(\.description).joined(separator: "; ")
            logger.warn("no cgroup to freeze: falling back to SIGSTOP, best effort", [.reason: .text(reasons)])
        }
        return nil
    }
}
