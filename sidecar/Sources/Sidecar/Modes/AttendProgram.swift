import Freezer
private import Glibc
import Quiesce
import RuntimeCore

/// `run`, `attach` and `scan`: a sidecar that looks after somebody.
///
/// One thread and one poll(2): signals, inotify, the guardian, the agent. What may hang has a thread or process of its own.
final class AttendProgram {
    private let settings: AttendSettings
    private let mode: Registration.Mode
    private let identity: String
    private var logger: Logger
    private let signals: SignalDescriptor
    private let notes = SuccessionNotes()
    private let charge: any Charge
    private let guardian: Guardian
    private let lookout: Lookout
    private let freezer: any Freezer
    /// The signal that told the sidecar to end.
    private var order: CInt?

    /// Sets up what must be there before the agent: signals, cgroup, guardian, priority. No thread exists until this is done.
    ///
    /// - Parameter makeCharge: gets the sidecar's identity, the nice value of old, and the log.
    init(
        _ settings: AttendSettings, _ mode: Registration.Mode,
        _ makeCharge: (_ identity: String, _ nice: CInt, _ logger: Logger) throws -> any Charge
    ) throws {
        self.settings = settings
        self.mode = mode
        let logger = SidecarSettings.logger(settings.logLevel)
        self.logger = logger
        identity = SidecarIdentity.make()
        signals = try SignalDescriptor()
        let charge = try makeCharge(identity, Priority.own, logger)
        self.charge = charge
        let cgroup = charge.cgroup?.cgroup
        let guardian = try Guardian(freezeSwitch: cgroup?.freezeSwitch ?? -1, cgroup?.version ?? .v2)
        self.guardian = guardian
        let lookout = Lookout(guardian: guardian.pid, kin: { [weak charge] in charge?.kin }, logger: logger)
        self.lookout = lookout
        freezer =
            if let cgroup {
                try cgroup.freezer()
            } else {
                SignalFreezer(charge.processes(lookout)) { [notes] pids throws(FreezerError) in
                    try guardian.watch(pids)
                    notes.add(pids)
                }
            }
        Priority.raise(logger)
    }

    /// Runs until the agent has ended, or a signal says so.
    ///
    /// - Returns: the exit status to leave with.
    func run() throws -> CInt {
        defer { cleanUp() }
        guard let workspace = try awaitWorkspace() else { return status }
        logger = logger.with(.wsid, LogValue(workspace.wsid))
        try workspace.refusePinnedMounts()
        let control = try workspace.openControlDirectory()
        let noted = notes.open(
            directory: settings.stateDirectory, wsid: workspace.wsid,
            StateFile.Note(
                sidecar: identity, mode: mode, method: freezer.method.rawValue, workspace: workspace.path,
                guardian: guardian.pid, cgroup: charge.cgroup?.cgroup.path,
                hasMadeCgroup: charge.cgroup?.isOurs ?? false), logger)
        let lost = try charge.cgroup.flatMap { try Leftover.release($0.cgroup, control: control.raw, logger) }
        let agent = SandboxAgent(
            freezer: freezer, guardian: guardian, workspace: workspace, lookout: lookout,
            process: { [charge] in charge.process }, survivor: { [notes] in notes.survivor(besides: $0) },
            logger: logger)
        try serve(workspace, control, agent, predecessor: noted ?? lost)
        while !hasEnded {
            logger.warn("the control directory was removed, and made anew: registering there")
            try serve(workspace, workspace.openControlDirectory(), agent, predecessor: nil)
        }
        return status
    }

    private var hasEnded: Bool { charge.exitCode != nil || order != nil }

    /// Takes part until the agent has ended, a signal says so, or the control directory is another one.
    private func serve(
        _ workspace: Workspace, _ control: borrowing FileDescriptor, _ agent: SandboxAgent, predecessor: String?
    ) throws {
        let participant = try Participant(
            controlDirectory: control.raw, id: identity, mode: mode, agent: agent, predecessor: predecessor,
            logger: logger)
        defer { participant.deregister() }
        let watch = startWatch(workspace)
        // Before the registration, so that the first freeze finds most of it done. What it objects to, a freeze will too.
        try agent.look()
        try participant.register()
        let isNoticed = watch?.isProved(in: workspace.controlDirectory) ?? false
        logger.info(
            "sidecar ready",
            [.state: isNoticed ? "inotify" : "poll", .engine: LogValue(agent.method.rawValue)])
        let pacing = Pacing(interval: settings.pollInterval, isNoticed: isNoticed)
        try loop(participant, agent, workspace, watch, pacing) { [raw = control.raw] in workspace.hasReplaced(raw) }
    }

    private func loop(
        _ participant: Participant, _ agent: SandboxAgent, _ workspace: Workspace, _ watch: ControlWatch?,
        _ pacing: Pacing, isReplaced: () -> Bool
    ) throws {
        while true {
            let pace = participant.step()
            if pace == .idle, isReplaced() { return }
            if let change = agent.takeSwitch() { charge.follow(settings.onSwitch, standing: change.standing) }
            let wish = try charge.tend(workspace, mayStart: participant.mayStartAgent)
            notes.note(agent: charge.process)
            if hasEnded { return }
            if pace == .idle { lookout.tables.rest() }
            var poll = PollSet([signals.raw, guardian.descriptor, watch?.descriptor ?? -1, charge.descriptor])
            poll.wait([pacing.timeout(pace), wish].compactMap { $0 }.min())
            if poll.isReady(0) { takeSignals() }
            if poll.isReady(1), case .gone? = guardian.nextEvent() {
                throw SidecarError(.machine, "the guardian is gone: nobody would thaw the agent in our place")
            }
            if poll.isReady(2) { watch?.drain() }
        }
    }

    private var status: CInt { charge.exitCode ?? charge.status(told: order ?? 0) }

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
            if order != nil { return nil }
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
            case _ where charge.pass(signal): break
            case SIGHUP, SIGINT, SIGQUIT, SIGTERM: order = signal.number
            default: break
            }
        }
    }

    /// Also takes the orphans that came to us, as PID 1 or as subreaper.
    private func reap() {
        var status: CInt = 0
        while case let pid = waitpid(-1, &status, WNOHANG), pid > 0 { charge.ended(pid, status: status) }
    }

    /// Thaws whatever happened, and leaves nothing behind.
    private func cleanUp() {
        freezer.thaw()
        guardian.disarm()
        notes.close(logger)
        charge.leave()
    }
}
