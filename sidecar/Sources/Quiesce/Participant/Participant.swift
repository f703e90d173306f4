private import Glibc
package import RuntimeCore

/// The sidecar's side of the protocol for one workspace: registers, obeys requests, acknowledges, thaws.
///
/// Has no thread and waits for nothing but the agent: whoever owns it calls `step()` when `control.json` may have changed,
/// and at the latest when the returned pace says so. One process can serve many workspaces. All calls come from one thread.
package final class Participant {
    /// When `step()` wants to be called again, whether or not anything seems to have changed.
    package enum Pace: Equatable, Sendable {
        /// Nothing is under way: at the idle poll interval.
        case idle
        /// At the latest after this long.
        case within(Duration)
    }

    /// Where this participant stands, for `status`, `healthcheck` and logs.
    package enum Status: Equatable, Sendable {
        case unregistered
        case running
        case frozen(epoch: UInt64)
        /// The resume was read, but the agent does not see the new `current` yet.
        case awaitingSwitch(epoch: UInt64)
    }

    /// A sidecar that lives.
    package struct Other: Equatable, Sendable {
        package let id: String
        /// Nil where its text is not understood; it counts all the same.
        package let registration: Registration?
    }

    private static let handshakePace = Duration.milliseconds(2)
    /// How long a registration is missing before it is made again.
    private static let patience = Duration.milliseconds(250)

    private let directory: FileDescriptor
    private let control: ControlDirectory
    private let file: ControlFile
    private let mode: Registration.Mode
    private let agent: any FrozenAgent
    private let predecessor: String?
    private let logger: Logger
    private var machine: ParticipantMachine
    /// Locked as long as it is open.
    var registration: FileDescriptor?
    /// When the registration was first not found where it was made.
    private var missedSince: MonotonicTime?
    /// For the acknowledgement that is being written.
    private var openFiles: OpenFiles?
    private var lastReading = Reading.absent
    /// Why the answer could not be written the last time: it is tried again every few milliseconds.
    private var complaint: SystemError?

    /// - Parameters:
    ///   - controlDirectory: the workspace's `.wvs`; duplicated, so that the caller may close its own.
    ///   - id: new with each start of a sidecar; see `Registration.isValid(id:)`.
    ///   - predecessor: the id of a sidecar of this sandbox that ended without deregistering: what it had frozen is void.
    package init(
        controlDirectory: CInt, id: String, mode: Registration.Mode, agent: any FrozenAgent, predecessor: String? = nil,
        logger: Logger
    ) throws(SystemError) {
        precondition(Registration.isValid(id: id), "not a sidecar's id")
        directory = try ControlDirectory(descriptor: controlDirectory).duplicate()
        control = ControlDirectory(descriptor: directory.raw)
        file = ControlFile(directory: control)
        self.mode = mode
        self.agent = agent
        self.predecessor = predecessor
        self.logger = logger.with(.sidecar, .text(id))
        machine = ParticipantMachine(id: id)
    }

    deinit { deregister() }

    /// Writes and locks the registration, removes those of the dead, and tells of a predecessor's broken freeze.
    package func register() throws(SystemError) {
        // What is found before anybody can know of this sidecar was asked of others.
        let first = machine.handle(.read(file.read(), at: .now))
        assert(first == .rest)
        if let predecessor {
            let update = try file.update { Self.continuityLost(predecessor, in: $0) }
            if update.written { logger.warn("continuity lost: a predecessor's freeze is void") }
        }
        registration = try RegistrationFolder(control: control).register(ownRegistration)
        machine.registered(file.read(), at: .now)
    }

    private var ownRegistration: Registration {
        Registration(id: machine.id, mode: mode, method: agent.method, host: Self.host, pid: getpid())
    }

    /// Registers again where somebody has removed the registration, who could not see its lock: nobody would wait for this
    /// agent any more. Not at once, since it may be the whole workspace that is being removed.
    ///
    /// - Returns: whether it is registered.
    private func keepRegistered() -> Bool {
        do {
            let folder = RegistrationFolder(control: control)
            switch registration {
            case .some(let file):
                if try folder.holds(machine.id, file) {
                    missedSince = nil
                    return true
                }
            case nil: return true
            }
            let since = missedSince ?? .now
            missedSince = since
            guard lastReading.document != nil, since + Self.patience <= .now else { return false }
            registration = try folder.enter(ownRegistration)
            missedSince = nil
            machine.registered(file.read(), at: .now)
            logger.warn("the registration was removed by somebody else: registered again")
            return true
        } catch {
            if missedSince == nil { logger.warn("the registration cannot be looked at", [.error: LogValue(error)]) }
            missedSince = missedSince ?? .now
            return false
        }
    }

    /// Thaws, says so, and withdraws the registration. `deinit` does the same.
    package func deregister() {
        guard registration != nil else { return }
        perform(machine.leave())
        do {
            try RegistrationFolder(control: control).remove(machine.id)
        } catch {
            // Its lock goes with the descriptor, and then it counts as a dead one's.
            logger.warn("the registration could not be removed", [.error: LogValue(error)])
        }
        registration = nil
    }

    /// Reads the control file and does what it asks for.
    package func step() -> Pace {
        guard registration != nil else { return .idle }
        // What was done may have been overtaken or overwritten meanwhile: look again until there is nothing to do.
        for _ in 0..<4 {
            let time = MonotonicTime.now
            lastReading = file.read()
            let action = machine.handle(.read(lastReading, at: time))
            if action == .rest { break }
            perform(action)
            if case .awaitingSwitch = machine.phase { break }
        }
        if machine.isBusy(with: lastReading, at: .now) { return .within(Self.handshakePace) }
        return keepRegistered() || lastReading == .absent ? .idle : .within(Self.patience)
    }

    package var status: Status {
        switch machine.phase {
        case _ where registration == nil: .unregistered
        case .idle: .running
        case .awaitingSwitch: .awaitingSwitch(epoch: machine.epoch)
        case .freezing, .frozen, .releasing, .thawing: .frozen(epoch: machine.epoch)
        }
    }

    /// False while a freeze is under way that this participant was too late for: an agent must not be started in it.
    package var mayStartAgent: Bool { registration != nil && machine.mayStartAgent }

    /// The living sidecars of a workspace other than `id`: `node` steps back where there is one.
    package static func others(than id: String, controlDirectory: CInt) throws(SystemError) -> [Other] {
        try RegistrationFolder(control: ControlDirectory(descriptor: controlDirectory)).entries()
            .filter { $0.isLiving && $0.id != id }.map { Other(id: $0.id, registration: $0.registration) }
    }

    // MARK: Actions

    private func perform(_ first: ParticipantMachine.Action) {
        var action = first
        while let event = event(of: action) { action = machine.handle(event) }
    }

    /// Does one thing, and says how it went; nil when there is nothing more to do.
    private func event(of action: ParticipantMachine.Action) -> ParticipantMachine.Event? {
        do throws(AgentError) {
            switch action {
            case .rest: return nil
            case .arm(let epoch, let deadline):
                Failpoint.hit("sidecar.request_seen")
                try agent.armLease(epoch: epoch, until: deadline)
                return .armed
            case .freeze(let deadline):
                let start = MonotonicTime.now
                let report = try agent.freeze(deadline: deadline)
                return .frozen(report, microseconds: start.elapsedMicroseconds, at: .now)
            case .flush(let deadline, let isForSwitch): return try flush(deadline, isForSwitch)
            case .extend(let deadline): return .extended(agent.extendLease(until: deadline))
            case .release:
                Failpoint.hit("sidecar.resume_seen")
                let hasHeld = agent.release()
                Failpoint.hit("sidecar.thawed")
                return .released(held: hasHeld, oldTree: agent.leftInOldTree())
            case .thaw:
                agent.thaw()
                Failpoint.hit("sidecar.thawed")
                return .thawed(oldTree: agent.leftInOldTree())
            case .lookAtCurrent(let target): return .current(isSeen: agent.sees(current: target), at: .now)
            case .acknowledge:
                acknowledge()
                return .acknowledged
            }
        } catch {
            return .failed(error)
        }
    }

    private func flush(_ deadline: MonotonicTime, _ isForSwitch: Bool) throws(AgentError) -> ParticipantMachine.Event {
        let start = MonotonicTime.now
        let report = try agent.flush(deadline: deadline, forSwitch: isForSwitch) {
            let time = MonotonicTime.now
            switch machine.handle(.read(file.read(), at: time)) {
            case .extend(let deadline): return machine.handle(.extended(agent.extendLease(until: deadline))) == .rest
            case .rest: return true
            default: return false
            }
        }
        openFiles = report.openFiles
        Failpoint.hit("sidecar.frozen_before_ack")
        return .flushed(
            report, microseconds: start.elapsedMicroseconds, nonce: Self.nonce(), at: .now)
    }

    /// Writes the answer. What could not be written is written by the next step.
    private func acknowledge() {
        do {
            let update = try file.update(before: writeOpenFiles) { machine.edit($0) }
            complaint = nil
            if !update.locked { logger.warn("the control lock is held; going on without it") }
            guard update.written else { return }
            let logger = logger.with(.epoch, .integer(Int64(clamping: machine.epoch)))
                .with(.taskID, .text(lastReading.document?.taskID ?? ""))
                .with(.requestID, .text(lastReading.document?.requestID ?? ""))
            if let error = machine.error {
                logger.warn("the freeze does not hold", [.reason: .text(error)])
            } else if let acknowledgement = machine.acknowledgement {
                report(acknowledgement, logger)
            }
        } catch {
            if error != complaint { logger.error("the answer could not be written", [.error: LogValue(error)]) }
            complaint = error
        }
    }

    private func report(_ acknowledgement: Acknowledgement, _ logger: Logger) {
        guard let held = acknowledgement.held else {
            logger.info(
                "frozen",
                [
                    .method: .text(acknowledgement.method.rawValue),
                    .consistency: .text(acknowledgement.consistency.rawValue),
                    .processes: .integer(Int64(acknowledgement.processes)),
                    .flushed: .integer(Int64(acknowledgement.flushedFiles)),
                    .durationMilliseconds: .number(acknowledgement.freezeMilliseconds),
                    .reason: .text(machine.doubt ?? ""),
                ])
            Failpoint.hit("sidecar.ack_written")
            return
        }
        logger.info("thawed", [.held: .flag(held)])
        Failpoint.hit("sidecar.held_written")
    }

    private func writeOpenFiles() {
        // Under a switch nobody asks for it.
        guard let openFiles, let acknowledgement = machine.acknowledgement, acknowledgement.held == nil,
            !machine.isForSwitch
        else { return }
        do {
            try OpenFilesFile(directory: control).write(
                .init(nonce: acknowledgement.nonce, openFiles: openFiles), of: machine.id, epoch: machine.epoch)
            self.openFiles = nil
        } catch {
            // Without the list the executor concludes nothing from it.
            logger.warn("the list of open files could not be written", [.error: LogValue(error)])
        }
    }

    /// Says in a predecessor's stead that nobody watched over its freeze.
    static func continuityLost(_ predecessor: String, in reading: Reading) -> ControlDocument? {
        guard var document = reading.document, document.expects.contains(predecessor), document.state != .running,
            document.acknowledgements[predecessor]?.held == nil, document.errors[predecessor] == nil
        else { return nil }
        document.acknowledgements[predecessor]?.held = false
        document.errors[predecessor] = "CONTINUITY_LOST: the sidecar was restarted"
        return document
    }

    private static func nonce() -> String {
        var generator = SystemRandomNumberGenerator()
        let digits = String(generator.next(), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

    private static var host: String {
        var name = [CChar](repeating: 0, count: 256)
        guard gethostname(&name, 255) == 0 else { return "" }
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }
}

extension MonotonicTime {
    fileprivate var elapsedMicroseconds: Int64 { (MonotonicTime.now.nanoseconds - nanoseconds) / 1000 }
}
