import RuntimeCore

@testable import Quiesce

/// A coordinator machine, the shell's steps around it, the thread that renews, and a reader that looks at the tree.
final class SimulatedExecutor {
    static let lease = Duration.milliseconds(300)
    static let timeout = Duration.milliseconds(900)

    enum Outcome: Equatable {
        case published(Receipt)
        case failed(QuiesceError)
        case crashed
    }

    private(set) var outcome: Outcome?
    var isStoppedUntil: MonotonicTime?
    let epoch: UInt64
    private let target: String?
    private var machine: CoordinatorMachine
    private var stage = Stage.looking
    private var writer: SimulatedWriter?
    /// Of the thread that renews, beside the reader.
    private var renewal: SimulatedWriter?
    private var reads = 0
    /// How often each agent had run.
    private var atFirstRead: [String: Int] = [:]
    private var evidence: [String] = []

    private enum Stage {
        case looking, turning
        case reading(left: Int)
        case stopping, lookingLast, checking, resuming
        case lookingAgain, awaiting
        case abandoning(QuiesceError)
    }

    /// - Parameter target: nil for a snapshot.
    init(epoch: UInt64, target: String?, world: SimulatedWorld) {
        self.epoch = epoch
        self.target = target
        machine = CoordinatorMachine(
            .init(
                epoch: epoch, taskID: "task", executor: "executor", lease: Self.lease, policy: FreezePolicy(),
                isOnNetwork: false),
            everAttached: false, timeout: Self.timeout, now: world.now)
    }

    func crash(_ world: SimulatedWorld) {
        if let writer { world.unlock(writer) }
        if let renewal { world.unlock(renewal) }
        outcome = .crashed
    }

    func step(_ world: SimulatedWorld) {
        if let isStoppedUntil {
            guard world.now >= isStoppedUntil else { return }
            self.isStoppedUntil = nil
        }
        guard outcome == nil else { return }
        if let writer {
            if writer.step(world) {
                self.writer = nil
                if case .abandoning(let error) = stage { outcome = .failed(error) }
            }
            return
        }
        switch stage {
        case .looking:
            machine.attached(world.entries)
            stage = .turning
        case .turning: turn(world)
        case .reading(let left): read(left, world)
        case .stopping: if step(renewalOf: world, mayStart: false) { stage = .lookingLast }
        case .lookingLast:
            machine.attached(world.entries)
            stage = target == nil ? .checking : .resuming
        case .checking:
            stage = .resuming
            if case .failed(let error) = machine.observe(world.read(), now: world.now) { abandon(error, world) }
        case .resuming:
            machine.resume(expectCurrent: target, timeout: Self.timeout, now: world.now)
            write(world)
            stage = .lookingAgain
        case .lookingAgain:
            machine.attached(world.entries)
            stage = .awaiting
        case .awaiting: hear(world)
        case .abandoning: break
        }
    }

    private func turn(_ world: SimulatedWorld) {
        stage = .looking
        switch machine.observe(world.read(), now: world.now) {
        case .wait, .look, .released: break
        case .write: write(world)
        case .failed(let error): abandon(error, world)
        case .frozen:
            // Some clones outlast a lease that is not renewed.
            let most = world.chance(4) ? 500 : 40
            stage = .reading(left: Int.random(in: 1...most, using: &world.generator))
        }
    }

    /// The clone: what it sees first and last is what counts.
    private func read(_ left: Int, _ world: SimulatedWorld) {
        _ = step(renewalOf: world, mayStart: true)
        if reads == 0 { seeFirst(world) }
        reads += 1
        if left > 0 { return stage = .reading(left: left - 1) }
        seeLast(world)
        if let target { world.current = target }
        stage = .stopping
    }

    private func seeFirst(_ world: SimulatedWorld) {
        for sandbox in world.sandboxes where isWatched(sandbox) {
            atFirstRead[sandbox.name] = sandbox.runs
            if !sandbox.isFrozen { evidence.append("\(sandbox.name) ran at the first read") }
            if sandbox.isDirty { evidence.append("\(sandbox.name) had unflushed data at the first read") }
        }
    }

    private func seeLast(_ world: SimulatedWorld) {
        for sandbox in world.sandboxes {
            if let runs = atFirstRead[sandbox.name] {
                if sandbox.runs != runs { evidence.append("\(sandbox.name) ran between the reads") }
            } else if isWatched(sandbox) {
                evidence.append("\(sandbox.name) came between the reads")
            }
        }
    }

    /// A sidecar answers for it. Of an agent whose sidecar had died before the request the protocol knows nothing.
    private func isWatched(_ sandbox: SimulatedSandbox) -> Bool {
        sandbox.sidecar != nil || machine.expects.contains { $0.hasPrefix("\(sandbox.name)-") }
    }

    private func hear(_ world: SimulatedWorld) {
        stage = .lookingAgain
        switch machine.observe(world.read(), now: world.now) {
        case .wait, .look, .frozen: break
        case .write: write(world)
        case .failed(let error): outcome = .failed(error)
        case .released(let receipt):
            outcome = .published(receipt)
            guard target == nil else { return }
            if !receipt.isHeld { world.violations.append("epoch \(epoch): published without being held") }
            world.violations += evidence.map { "epoch \(epoch): published, but \($0)" }
        }
    }

    private func write(_ world: SimulatedWorld) {
        writer = SimulatedWriter { [unowned self] in machine.edit($0, now: world.now) }
    }

    private func abandon(_ error: QuiesceError, _ world: SimulatedWorld) {
        machine.abandon()
        write(world)
        stage = .abandoning(error)
    }

    /// - Returns: true when the renewing thread is at rest.
    private func step(renewalOf world: SimulatedWorld, mayStart: Bool) -> Bool {
        if let renewal {
            if renewal.step(world) { self.renewal = nil }
        } else if mayStart, world.now >= machine.nextDue, machine.observe(world.read(), now: world.now) == .write {
            renewal = SimulatedWriter { [unowned self] in machine.edit($0, now: world.now) }
        }
        return renewal == nil
    }
}
