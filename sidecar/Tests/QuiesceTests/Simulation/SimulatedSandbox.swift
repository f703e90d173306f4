import RuntimeCore

@testable import Quiesce

/// An agent, its guardian, and the sidecars that serve it one after the other.
final class SimulatedSandbox {
    let name: String
    var sidecar: SimulatedSidecar?
    /// The id in the registration file; stays when its sidecar crashes.
    var registered: String?
    private var generation = 0

    // The agent.
    private(set) var isFrozen = false
    /// It has written what is not flushed.
    private(set) var isDirty = true
    /// How often it has run.
    private(set) var runs = 0
    var seenCurrent = "live/0"

    // The guardian.
    private(set) var deadline: MonotonicTime?
    private(set) var hasLapsed = false

    init(name: String) { self.name = name }

    func start(_ world: SimulatedWorld) {
        let predecessor = registered
        generation += 1
        let id = "\(name)-\(generation)"
        // A supervisor restarts the sidecar, which thaws what its predecessor had frozen.
        guardianLost()
        registered = id
        sidecar = SimulatedSidecar(id: id, sandbox: self, predecessor: predecessor, world: world)
    }

    func crash(_ world: SimulatedWorld) {
        sidecar?.crash(world)
        sidecar = nil
        guardianLost()
    }

    /// The guardian sees the pipe close, thaws and ends.
    private func guardianLost() {
        isFrozen = false
        deadline = nil
        hasLapsed = true
    }

    func arm(until deadline: MonotonicTime) {
        self.deadline = deadline
        hasLapsed = false
    }

    func extend(until deadline: MonotonicTime) -> Bool {
        guard !hasLapsed else { return false }
        self.deadline = deadline
        return true
    }

    func freeze() { isFrozen = true }
    func flush() { isDirty = false }

    func letRun() { isFrozen = false }

    func thaw() {
        letRun()
        deadline = nil
        hasLapsed = false
    }

    var leaseHolds: Bool { deadline != nil && !hasLapsed }

    func live(_ world: SimulatedWorld) {
        if let deadline, deadline <= world.now { hasLapsed = true }
        // It goes on thawing: a sidecar that was stopped in the middle of freezing may go on after the lapse.
        if hasLapsed { isFrozen = false }
        if isFrozen, deadline == nil { world.violations.append("\(name) is frozen without a lease") }
        if !isFrozen {
            isDirty = true
            runs += 1
        }
        if seenCurrent != world.current, world.chance(30) { seenCurrent = world.current }
    }
}

/// A participant machine and the shell's steps around it, each of them on its own.
final class SimulatedSidecar {
    let id: String
    var isStoppedUntil: MonotonicTime?
    private unowned let sandbox: SimulatedSandbox
    private var machine: ParticipantMachine
    private var pending = ParticipantMachine.Action.rest
    private var work: Work?
    /// What `current` must be before the thaw.
    private var awaited: String?

    /// What takes more than one step.
    private enum Work {
        case registering(SimulatedWriter)
        case freezing
        case flushing(left: Int)
        case writing(SimulatedWriter)
        case deciding(ParticipantMachine.Event)
        case askingGuardian
    }

    init(id: String, sandbox: SimulatedSandbox, predecessor: String?, world: SimulatedWorld) {
        self.id = id
        self.sandbox = sandbox
        machine = ParticipantMachine(id: id)
        _ = machine.handle(.read(world.read(), at: world.now))
        if let predecessor {
            work = .registering(SimulatedWriter { Participant.continuityLost(predecessor, in: $0) })
        }
    }

    func crash(_ world: SimulatedWorld) { if case .writing(let writer) = work { world.unlock(writer) } }

    func step(_ world: SimulatedWorld) {
        if let isStoppedUntil {
            guard world.now >= isStoppedUntil else { return }
            self.isStoppedUntil = nil
        }
        if let work { return go(on: work, world) }
        switch pending {
        case .rest:
            let action = machine.handle(.read(world.read(), at: world.now))
            check(action, world)
            pending = action
        case .arm(_, let deadline):
            awaited = nil
            sandbox.arm(until: deadline)
            handle(.armed, world)
        case .freeze:
            sandbox.freeze()
            work = .freezing
        case .flush: work = .flushing(left: Int.random(in: 1...6, using: &world.generator))
        case .extend(let deadline): handle(.extended(sandbox.extend(until: deadline)), world)
        case .release:
            if let target = awaited, sandbox.seenCurrent != target, sandbox.leaseHolds {
                world.violations.append("\(id) thawed before its agent saw \(target)")
            }
            sandbox.letRun()
            work = .askingGuardian
        case .thaw:
            sandbox.thaw()
            handle(.thawed(oldTree: []), world)
        case .lookAtCurrent(let target):
            awaited = target
            work = .deciding(.current(isSeen: sandbox.seenCurrent == target, at: world.now))
        case .acknowledge:
            work = .writing(SimulatedWriter { [unowned self] in machine.edit($0) })
        }
    }

    private func go(on work: Work, _ world: SimulatedWorld) {
        switch work {
        case .registering(let writer): if writer.step(world) { self.work = nil }
        case .freezing:
            self.work = nil
            // What the agent's freezer promises: the guardian is asked once everything stands still.
            if sandbox.leaseHolds { return handle(.frozen(report, microseconds: 1, at: stamp), world) }
            sandbox.thaw()
            handle(.failed(AgentError("the lease ended before the agent stood still")), world)
        case .flushing(let left): flush(left, world)
        case .writing(let writer):
            guard writer.step(world) else { return }
            self.work = nil
            handle(.acknowledged, world)
        case .deciding(let event):
            self.work = nil
            handle(event, world)
        case .askingGuardian:
            self.work = nil
            let hasHeld = sandbox.leaseHolds
            sandbox.thaw()
            handle(.released(held: hasHeld, oldTree: []), world)
        }
    }

    private func flush(_ left: Int, _ world: SimulatedWorld) {
        if world.faults.flushesFail, world.chance(8) {
            work = nil
            return handle(.failed(AgentError("fsync: EIO")), world)
        }
        guard left == 0 else {
            let action = machine.handle(.read(world.read(), at: world.now))
            check(action, world)
            var isWanted = action == .rest
            if case .extend(let deadline) = action {
                isWanted = machine.handle(.extended(sandbox.extend(until: deadline))) == .rest
            }
            work = isWanted ? .flushing(left: left - 1) : nil
            if !isWanted { handle(.failed(AgentError("the flush was called off")), world) }
            return
        }
        work = nil
        sandbox.flush()
        let nonce = "\(id).\(machine.epoch)"
        handle(
            .flushed(
                FlushReport(flushedFiles: 1, openFiles: OpenFiles(complete: true, files: [])), microseconds: 1,
                nonce: nonce, at: world.now), world)
    }

    private func handle(_ event: ParticipantMachine.Event, _ world: SimulatedWorld) {
        pending = machine.handle(event)
        check(pending, world)
    }

    /// No lease may outlast the executor's last sign of life by more than its length. Where a writer without the lock, or one
    /// that reads late, brings an old document back, a sign may look younger than it is, but only once each.
    private func check(_ action: ParticipantMachine.Action, _ world: SimulatedWorld) {
        guard case .extend(let deadline) = action, let renewal = world.lastRenewal[machine.epoch] else { return }
        let isExact = !world.faults.locksGetLost && !world.faults.readsAreStale && !world.faults.processesStop
        if deadline > renewal + SimulatedExecutor.lease * (isExact ? 1 : 3) {
            world.violations.append("\(id) extended its lease beyond the executor's last sign of life")
        }
    }

    private var report: FreezeReport { FreezeReport(method: .cgroup2, processes: 1, threads: 1) }
    private var stamp: Timestamp { Timestamp(microseconds: 0) }
}
