import TestSupport
import Testing

@testable import Executor

/// Which engine is held to its word on which file system.
struct Conformance: Sendable, CustomTestStringConvertible {
    let kind: ScratchFileSystem.Kind
    let engine: any CloneEngine
    /// Whether sources are ordinary directories, whatever the engine makes.
    var plain = false

    var testDescription: String { "\(engine.name) on \(kind)\(plain ? ", plain directories" : "")" }

    static let all: [Conformance] = [
        Conformance(kind: .xfs, engine: TreeWalkEngine.reflink(threads: 3)),
        Conformance(kind: .btrfs, engine: BtrfsEngine()),
        Conformance(kind: .btrfs, engine: BtrfsEngine(threads: 2), plain: true),
        Conformance(kind: .btrfs, engine: TreeWalkEngine.reflink()),
        Conformance(kind: .ext4, engine: TreeWalkEngine.copy(threads: 2)),
        Conformance(kind: .tmpfs, engine: TreeWalkEngine.copy()),
        Conformance(kind: .xfs, engine: TreeWalkEngine.copy(threads: 1)),
        Conformance(kind: .folder, engine: TreeWalkEngine.copy()),
    ].filter { ScratchFileSystem.canMount || !$0.kind.needsRoot }

    func run(in path: String) throws -> CloneRun { try CloneRun(path, engine: engine, plain: plain) }
}
