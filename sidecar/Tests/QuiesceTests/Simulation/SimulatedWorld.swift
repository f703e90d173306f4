import RuntimeCore

@testable import Quiesce

/// Deterministic: the same seed gives the same run.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    // SplitMix64.
    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }
}

/// One workspace: its control file, its sandboxes, its clock. Every step of every actor is one indivisible change of it.
final class SimulatedWorld {
    /// What may go wrong in a run.
    struct Faults {
        var locksGetLost = false
        var writesTear = false
        var readsAreStale = false
        var sidecarsCrash = false
        var processesStop = false
        var executorsCrash = false
        var executorsOverlap = false
        var flushesFail = false

        init() {}

        init(using generator: inout SeededGenerator) {
            func often() -> Bool { Int.random(in: 0..<3, using: &generator) == 0 }
            locksGetLost = often()
            writesTear = often()
            readsAreStale = often()
            sidecarsCrash = often()
            processesStop = often()
            executorsCrash = often()
            executorsOverlap = often()
            flushesFail = Int.random(in: 0..<12, using: &generator) == 0
        }
    }

    /// How late another machine may see a write.
    static let staleness = Duration.milliseconds(5)

    var generator: SeededGenerator
    let faults: Faults
    var now = MonotonicTime(nanoseconds: 1_000_000_000)
    var sandboxes: [SimulatedSandbox] = []
    var executors: [SimulatedExecutor] = []
    /// Where `current` points; sandboxes see it later.
    var current = "live/0"
    private(set) var stored = Reading.document(ControlDocument(timestamp: Timestamp(microseconds: 0)))
    /// What stood there before, and until when.
    private var older: [(reading: Reading, until: MonotonicTime)] = []
    private var lockOwner: ObjectIdentifier?
    /// By epoch: the executor's last sign of life.
    private(set) var lastRenewal: [UInt64: MonotonicTime] = [:]
    private var lastLeaseSequence: [UInt64: UInt64] = [:]
    var violations: [String] = []

    init(seed: UInt64, faults: (inout SeededGenerator) -> Faults) {
        generator = SeededGenerator(seed: seed)
        self.faults = faults(&generator)
    }

    func chance(_ oneIn: Int) -> Bool { Int.random(in: 0..<oneIn, using: &generator) == 0 }

    var entries: [RegistrationFolder.Entry] {
        sandboxes.compactMap { sandbox in
            sandbox.registered.map {
                RegistrationFolder.Entry(
                    id: $0, isLiving: sandbox.sidecar?.id == $0,
                    registration: Registration(
                        id: $0, mode: .attach, method: .cgroup2, host: "", pid: 1,
                        startedAt: Timestamp(microseconds: 0)))
            }
        }
    }

    func read() -> Reading {
        guard faults.readsAreStale, chance(10) else { return stored }
        let late = older.filter { $0.until + Self.staleness > now }
        return late.randomElement(using: &generator)?.reading ?? stored
    }

    func commit(_ document: ControlDocument) {
        older = (older + [(stored, now)]).suffix(4)
        stored = .document(document)
        if document.leaseSequence > lastLeaseSequence[document.epoch] ?? 0 || lastRenewal[document.epoch] == nil {
            lastLeaseSequence[document.epoch] = document.leaseSequence
            lastRenewal[document.epoch] = now
        }
    }

    func tear() { stored = .invalid("half written") }

    func lock(_ owner: AnyObject) -> Bool {
        if lockOwner == nil || (faults.locksGetLost && chance(5)) {
            lockOwner = ObjectIdentifier(owner)
            return true
        }
        return lockOwner == ObjectIdentifier(owner)
    }

    func unlock(_ owner: AnyObject) { if lockOwner == ObjectIdentifier(owner) { lockOwner = nil } }

    /// Time passes: guardians act, agents that may run do.
    func advance(by duration: Duration) {
        now = now + duration
        for sandbox in sandboxes { sandbox.live(self) }
    }
}

/// A compare-and-set in the steps in which others can come between.
final class SimulatedWriter {
    private enum Stage {
        case locking(tries: Int)
        case locked
        case writing(ControlDocument)
        case torn(ControlDocument)
    }

    private var stage = Stage.locking(tries: 0)
    private let edit: (Reading) -> ControlDocument?

    init(_ edit: @escaping (Reading) -> ControlDocument?) { self.edit = edit }

    /// - Returns: true when it is done.
    func step(_ world: SimulatedWorld) -> Bool {
        switch stage {
        case .locking(let tries):
            // The lock's deadline: after it, on without it.
            stage = world.lock(self) || tries > 10 ? .locked : .locking(tries: tries + 1)
            return false
        case .locked:
            let present = world.read()
            guard var document = edit(present) else {
                world.unlock(self)
                return true
            }
            document.sequence = (present.document?.sequence ?? 0) + 1
            stage = .writing(document)
            return false
        case .writing(let document):
            if world.faults.writesTear, world.chance(6) {
                world.tear()
                stage = .torn(document)
                return false
            }
            world.commit(document)
        case .torn(let document): world.commit(document)
        }
        world.unlock(self)
        return true
    }
}
