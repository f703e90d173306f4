import Executor
import TestSupport
import Testing

/// Which engine is held to its word on which file system.
struct Conformance: Sendable, CustomTestStringConvertible {
    let kind: ScratchFileSystem.Kind
    let engine: TreeWalkEngine

    var testDescription: String { "\(engine.name) on \(kind)" }

    static let all: [Conformance] = [
        Conformance(kind: .xfs, engine: .reflink(threads: 3)), Conformance(kind: .btrfs, engine: .reflink()),
        Conformance(kind: .ext4, engine: .copy(threads: 2)), Conformance(kind: .tmpfs, engine: .copy()),
        Conformance(kind: .xfs, engine: .copy(threads: 1)),
        Conformance(kind: .folder, engine: .copy()),
    ].filter { ScratchFileSystem.canMount || !$0.kind.needsRoot }
}

@Suite("Clones are faithful")
struct CloneConformanceTests {
    @Test("a clone of any tree equals it in every respect", arguments: Conformance.all)
    func randomTrees(_ conformance: Conformance) async throws {
        try await ScratchFileSystem.with(conformance.kind) { fileSystem in
            for seed in 1...2 {
                let run = try CloneRun("\(fileSystem.path)/\(seed)", engine: conformance.engine)
                var generator = TreeGenerator(seed: UInt64(seed))
                try generator.fill(run.source, count: 150)
                let summary = try await blocking { try run.clone() }
                let differences = try TreeComparison.differences(run.source, run.target)
                #expect(differences == [], "seed \(seed)")
                #expect(summary.entries == run.progress.entries)
            }
        }
    }
}
