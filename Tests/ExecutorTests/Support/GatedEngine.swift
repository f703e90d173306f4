import Glibc
import RuntimeCore

@testable import Executor

/// A real engine with a gate: tells when a clone begins, and holds it there until it may go on or is cancelled. Of a clone in two
/// phases the gate is at the second.
final class GatedEngine: TwoPhaseEngine {
    private let engine: any CloneEngine
    private let state = Mutex((isClosed: false, clones: 0))
    private let removing = Mutex((isClosed: false, removals: 0))
    /// Runs at the beginning of each clone.
    private let onClone: @Sendable () -> Void

    init(_ engine: any CloneEngine, onClone: @escaping @Sendable () -> Void = {}) {
        self.engine = engine
        self.onClone = onClone
    }

    var clones: Int { state.withLock { $0.clones } }
    func close() { state.withLock { $0.isClosed = true } }
    func open() { state.withLock { $0.isClosed = false } }

    /// Holds removals at their beginning.
    func closeRemovals() { removing.withLock { $0.isClosed = true } }
    func openRemovals() { removing.withLock { $0.isClosed = false } }
    var removals: Int { removing.withLock { $0.removals } }

    var name: String { engine.name }
    var promises: ClonePromises { engine.promises }
    func probe(mount: CInt) throws { try engine.probe(mount: mount) }

    func makeTree(in parent: CInt, _ name: String) throws { try engine.makeTree(in: parent, name) }

    func engine(toClone source: String, in parent: CInt) throws -> any CloneEngine {
        let chosen = try engine.engine(toClone: source, in: parent)
        return chosen.name == name ? self : chosen
    }

    func prepare(from parent: CInt, _ source: String, cancellation: Cancellation) throws {
        try engine.prepare(from: parent, source, cancellation: cancellation)
    }

    func complete(
        in parent: CInt, _ target: String, as purpose: ClonePurpose, counted: CloneSummary?, cancellation: Cancellation
    ) throws -> CloneSummary {
        try engine.complete(in: parent, target, as: purpose, counted: counted, cancellation: cancellation)
    }

    func clone(
        from: CInt, _ source: String, to: CInt, _ target: String, as purpose: ClonePurpose, onFailure: PartialClone,
        progress: CloneProgress, cancellation: Cancellation
    ) throws -> CloneSummary? {
        begin()
        let summary = try engine.clone(
            from: from, source, to: to, target, as: purpose, onFailure: onFailure, progress: progress,
            cancellation: cancellation)
        try pass(cancellation)
        return summary
    }

    fileprivate func begin() {
        state.withLock { $0.clones += 1 }
        onClone()
    }

    fileprivate func pass(_ cancellation: Cancellation) throws {
        while state.withLock({ $0.isClosed }) {
            try cancellation.check()
            usleep(500)
        }
    }

    func canCloneInTwoPhases(_ directory: CInt) -> Bool {
        (engine as? any TwoPhaseEngine)?.canCloneInTwoPhases(directory) ?? false
    }

    func beginClone(
        from: CInt, _ source: String, to: CInt, _ target: String, progress: CloneProgress, cancellation: Cancellation
    ) throws -> any TwoPhaseClone {
        guard let engine = engine as? any TwoPhaseEngine else { throw SystemError("beginClone", name, errno: EINVAL) }
        let clone = try engine.beginClone(
            from: from, source, to: to, target, progress: progress, cancellation: cancellation)
        return GatedClone(clone, self)
    }

    func remove(in parent: CInt, _ name: String, progress: CloneProgress, cancellation: Cancellation) throws {
        removing.withLock { $0.removals += 1 }
        while removing.withLock({ $0.isClosed }) {
            try cancellation.check()
            usleep(500)
        }
        try engine.remove(in: parent, name, progress: progress, cancellation: cancellation)
    }
}

private final class GatedClone: TwoPhaseClone {
    private let clone: any TwoPhaseClone
    private let gate: GatedEngine

    init(_ clone: any TwoPhaseClone, _ gate: GatedEngine) {
        self.clone = clone
        self.gate = gate
    }

    var entries: Int { clone.entries }
    var doubtful: Int { clone.doubtful }

    func finish(
        openFiles: Set<UInt64>, trash: String, progress: CloneProgress, cancellation: Cancellation
    ) throws -> TwoPhaseSummary {
        gate.begin()
        let summary = try clone.finish(
            openFiles: openFiles, trash: trash, progress: progress, cancellation: cancellation)
        try gate.pass(cancellation)
        return summary
    }
}
