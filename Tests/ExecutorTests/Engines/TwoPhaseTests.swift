private import CShims
private import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite("Clones in two phases")
struct TwoPhaseTests {
    struct Variant: Sendable, CustomTestStringConvertible {
        let kind: ScratchFileSystem.Kind
        let engine: TreeWalkEngine
        var testDescription: String { "\(engine.name) on \(kind)" }

        static let all = [
            Variant(kind: .xfs, engine: .reflink(threads: 2)), Variant(kind: .btrfs, engine: .reflink(threads: 2)),
            Variant(kind: .ext4, engine: .copy(threads: 2)), Variant(kind: .xfs, engine: .copy(threads: 3)),
        ]
    }

    @Test(
        "whatever writers do before and during the first phase, the clone equals the frozen tree",
        .enabled(if: ScratchFileSystem.canMount), arguments: Variant.all)
    func churn(_ variant: Variant) async throws {
        try await ScratchFileSystem.with(variant.kind, megabytes: 1024) { fileSystem in
            let rounds = 80
            let outcome = try await Self.rounds(rounds, in: fileSystem.path, variant.engine)
            #expect(outcome.wrong == [])
            print("\(variant.testDescription): \(rounds) rounds, \(outcome.steps) changes, \(outcome.renewed) renewed")
            #expect(outcome.renewed > 0)
        }
    }

    /// Otherwise the test above proves nothing.
    @Test("without cloning again what is doubtful, clones are wrong", .enabled(if: ScratchFileSystem.canMount))
    func withoutRecheck() async throws {
        try await ScratchFileSystem.with(.ext4, megabytes: 1024) { fileSystem in
            var engine = TreeWalkEngine.copy(threads: 2)
            engine.rechecksDoubtful = false
            let outcome = try await Self.rounds(100, in: fileSystem.path, engine, untilWrong: true)
            #expect(outcome.wrong != [])
        }
    }

    private struct Outcome {
        var wrong: [String] = []
        var steps = 0
        var renewed = 0
    }

    private static func rounds(_ rounds: Int, in path: String, _ engine: TreeWalkEngine, untilWrong: Bool = false)
        async throws -> Outcome
    {
        let run = try CloneRun("\(path)/run", engine: engine)
        TreeChurn(run.source, seed: 1).fill()
        var outcome = Outcome()
        for round in 1...rounds {
            let churn = TreeChurn(run.source, seed: UInt64(round))
            let writers = try churn.start()
            defer { churn.stop() }
            try await eventually("the writers are at work") { churn.count > 5 }
            let clone = try await blocking { try run.begin() }
            // Some rounds stop at once, others go on for a while.
            let goal = churn.count + (round % 4) * 40
            try await eventually("the writers went on") { churn.count >= goal }
            churn.stop()
            let summary = try await blocking {
                for writer in writers { writer.join() }
                return try run.finish(clone.value)
            }
            let wrong = try TreeComparison.differences(run.source, run.target, limit: 3)
            outcome.wrong += wrong.map { "round \(round): \($0)" }
            outcome.steps += churn.count
            outcome.renewed += summary.renewed
            try run.removeAll()
            // Else it grows, and with it each round.
            if summary.clone.entries > 150 {
                try run.remove("source")
                try run.makeDirectory(run.source)
                TreeChurn(run.source, seed: UInt64(round)).fill()
            }
            if outcome.wrong.count > 3 || (untilWrong && !wrong.isEmpty) { break }
        }
        return outcome
    }
}

/// A clone between its phases, to be handed from thread to thread.
struct Begun: @unchecked Sendable {
    // Unchecked: one thread at a time has it.
    let value: any TwoPhaseClone
}

extension CloneRun {
    func begin() throws -> Begun {
        guard let engine = engine as? any TwoPhaseEngine else { throw SystemError("begin", errno: EINVAL) }
        return Begun(
            value: try engine.beginClone(
                from: directory.raw, "source", to: directory.raw, "clone", progress: progress,
                cancellation: cancellation))
    }

    func finish(_ clone: any TwoPhaseClone, openFiles: Set<UInt64> = []) throws -> TwoPhaseSummary {
        try clone.finish(openFiles: openFiles, trash: "trash", progress: progress, cancellation: cancellation)
    }

    /// The clone, and what was in its way.
    func removeAll() throws {
        for name in try directory.names() where name != "source" { try remove(name) }
    }
}
