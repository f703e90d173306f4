private import Freezer
private import Glibc
private import Quiesce
import RuntimeCore

/// `wvs-sidecar run`: one agent, from its start to its end.
///
/// One thread and one poll(2): signals, inotify, the guardian. What may hang has a thread or process of its own.
package final class RunProgram {
    private let settings: RunSettings
    private var logger: Logger
    private let signals: SignalDescriptor
    private let nice: CInt
    private let notes = SuccessionNotes()
    private let cgroup: Cgroup?
    private let guardian: Guardian
    private let identity = SidecarIdentity.make()
    private let freezer: any Freezer
    private var child: ChildProcess?
    private var exitCode: CInt?
    private var isToldToEnd = false

    /// Sets up what must be there before the agent: signals, cgroup, guardian, priority. No thread exists until this is done.
    package init(_ settings: RunSettings) throws {
        self.settings = settings
        logger = Logger(level: settings.logLevel)
        signals = try SignalDescriptor()
        try systemCall("prctl", "PR_SET_CHILD_SUBREAPER") { ChildProcess.adoptOrphans() }
        cgroup = try Self.makeCgroup(identity, settings.freezer, logger)
        let guardian = try Guardian(freezeSwitch: cgroup?.freezeSwitch ?? -1)
        self.guardian = guardian
        freezer =
            if let cgroup {
                try CgroupV2Freezer(cgroup)
            } else {
                SignalFreezer(descendantsOf: getpid(), except: [guardian.pid]) {
                    [notes] pids throws(FreezerError) in
                    try guardian.watch(pids)
                    notes.add(pids)
                }
            }
        nice = Priority.raise(logger)
    }

    /// Runs until the agent has ended.
    ///
    /// - Returns: the exit status to leave with.
    package func run() throws -> CInt {
        defer { cleanUp() }
        guard let workspace = try awaitWorkspace() else { return exitCode ?? 1 }
        logger = logger.with(.wsid, LogValue(workspace.wsid))
        try workspace.refusePinnedMounts()
        let predecessor = notes.open(
            directory: settings.stateDirectory, wsid: workspace.wsid, sidecar: identity, cgroup: cgroup?.path, logger)
        let agent = SandboxAgent(freezer: freezer, guardian: guardian, workspace: workspace, logger: logger)
        let control = try workspace.openControlDirectory()
        let participant = try Participant(
            controlDirectory: control.raw, id: identity, mode: .run, agent: agent, predecessor: predecessor,
            logger: logger)
        defer { participant.deregister() }
        let watch = startWatch(workspace)
        try participant.register()
        let isNoticed = watch?.isProved(in: workspace.controlDirectory) ?? false
        logger.info(
            "sidecar ready", [.state: isNoticed ? "inotify" : "poll", .engine: LogValue(agent.method.rawValue)])
        try loop(participant, agent, workspace, watch, Pacing(interval: settings.pollInterval, isNoticed: isNoticed))
        return exitCode ?? 0
    }

    private func loop(
        _ participant: Participant, _ agent: SandboxAgent, _ workspace: Workspace, _ watch: ControlWatch?,
        _ pacing: Pacing
    ) throws {
        var poll = PollSet([signals.raw, guardian.descriptor, watch?.descriptor ?? -1])
        while true {
            let pace = participant.step()
            if child == nil, exitCode == nil, participant.mayStartAgent { try start(agent, workspace) }
            if exitCode != nil, !settings.linger || isToldToEnd { return }
            poll.wait(pacing.timeout(pace))
            if poll.isReady(0) { takeSignals() }
            if poll.isReady(1), case .gone? = guardian.nextEvent() {
                throw SidecarError(.machine, "the guardian is gone: nobody would thaw the agent in our place")
            }
            if poll.isReady(2) { watch?.drain() }
        }
    }

    private func start(_ agent: SandboxAgent, _ workspace: Workspace) throws {
        let current = try workspace.openCurrent()
        let started = try ChildProcess(
            settings.command, user: settings.user, directory: current.raw,
            cgroup: cgroup.map { ($0.directory, $0.procs) }, nice: nice,
            ownSession: cgroup == nil && !ChildProcess.hasTerminal, allowClone3: Self.allowsClone3)
        child = started
        agent.process = started.pid
        logger.info(
            "agent started", [.pid: LogValue(started.pid), .cgroup: LogValue(cgroup?.path ?? "none")])
    }

    /// False where a test plays Docker's default filter.
    private static var allowsClone3: Bool {
        #if FAILPOINTS
            getenv("WVS_TEST_NO_CLONE3") == nil
        #else
            true
        #endif
    }

    /// Nil when a signal has ended the wait.
    private func awaitWorkspace() throws -> Workspace? {
        var isAnnounced = false
        while true {
            if let workspace = try Workspace(at: settings.workspace) { return workspace }
            if !isAnnounced { logger.info("waiting for the workspace", [.path: LogValue(settings.workspace)]) }
            isAnnounced = true
            var poll = PollSet([signals.raw])
            poll.wait(settings.pollInterval)
            if poll.isReady(0) { takeSignals() }
            if exitCode != nil { return nil }
        }
    }

    private func startWatch(_ workspace: Workspace) -> ControlWatch? {
        guard let watch = ControlWatch.start(logger) else { return nil }
        do {
            try watch.add(workspace.controlDirectory)
            return watch
        } catch {
            logger.warn("no inotify: the control file is polled", [.error: LogValue(error)])
            return nil
        }
    }

    private func takeSignals() {
        while let signal = signals.next() {
            switch signal.number {
            case SIGCHLD: reap()
            case let number where child != nil && exitCode == nil:
                if !signal.isFromTerminal { child?.send(number) }
            case SIGHUP, SIGINT, SIGQUIT, SIGTERM:
                // Nobody to pass it on to: it is meant for us.
                isToldToEnd = true
                exitCode = exitCode ?? 128 + signal.number
            default: break
            }
        }
    }

    /// Also takes the orphans of the agent that came to us, as PID 1 or as subreaper.
    private func reap() {
        var status: CInt = 0
        while case let pid = waitpid(-1, &status, WNOHANG), pid > 0 {
            guard pid == child?.pid else { continue }
            exitCode = ExitStatus.code(status)
            logger.info("agent ended", [.code: .integer(Int64(exitCode ?? 0))])
        }
    }

    /// Thaws whatever happened, and leaves no cgroup behind.
    private func cleanUp() {
        freezer.thaw()
        guardian.disarm()
        notes.close(logger)
        guard let cgroup else { return }
        do {
            let left = try cgroup.remove()
            if left > 0 { logger.warn("the agent left processes behind", [.count: .integer(Int64(left))]) }
        } catch {
            logger.warn("the cgroup stays", [.cgroup: LogValue(cgroup.path), .error: LogValue(error)])
        }
    }

    /// Nil where SIGSTOP must do.
    private static func makeCgroup(_ name: String, _ choice: RunSettings.FreezerChoice, _ logger: Logger) throws
        -> Cgroup?
    {
        guard choice != .sigstop else { return nil }
        do {
            return try Cgroup(creating: "wvs-\(name)")
        } catch {
            if choice == .cgroup2 { throw error }
            logger.warn("no cgroup to freeze: falling back to SIGSTOP, best effort", [.reason: LogValue(error)])
            return nil
        }
    }
}
