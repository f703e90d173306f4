import ExecutorRPC
import Foundation
import Glibc
import GRPCTransport
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// An executor that is stopped (SIGSTOP, a paused machine) at the worst moment, and goes on when the world has moved on.
@Suite(.serialized) struct StoppedExecutorTests {
    private static let live = "01890000-0000-7000-8000-0000000000c1"
    private static let snapshot = "01890000-0000-7000-8000-0000000000c2"
    private static let create = Operation.snapshotCreate(snapshotID: snapshot, message: "")
    private static let set = Operation.setCurrent(snapshotID: Ids.snapshot, liveID: live, discard: false)

    struct Point: CustomTestStringConvertible, Sendable {
        let name: String
        let operation: Operation
        /// Where the other one is stopped in its turn, with its staging under construction.
        let other: String

        var testDescription: String { "\(operation.name) at \(name)" }
    }

    static let points: [Point] =
        ["executor.fence.raising", "executor.fence.checked", "executor.fence.record_renamed"].flatMap { name in
            [
                Point(name: name, operation: create, other: "executor.snapshot.before_publish"),
                Point(name: name, operation: set, other: "executor.set.after_sync"),
            ]
        } + [Point(name: "executor.set.after_publish", operation: set, other: "executor.set.after_sync")]

    private func stopped(_ rig: Rig, at failpoint: String, in operation: Operation, fence: UInt64, id: String)
        async throws -> (ExecutorProcess, Task<ExecuteTaskOutcome, any Error>)
    {
        let executor = try await ExecutorProcess(
            rig.scratch, failpoint: "\(failpoint):stop", settings: ["EXECUTOR_ID": id])
        let call = Task { try await executor.execute(operation, fence: fence, deadline: .seconds(120)) }
        try await executor.isStopped(at: failpoint)
        return (executor, call)
    }

    private func expectFenced(
        _ call: Task<ExecuteTaskOutcome, any Error>, by fence: UInt64, at point: Point
    ) async throws {
        if point.name == "executor.set.after_publish" {
            // Its tree was in place: it can not tell what came of it.
            await #expect(throws: GRPCError.self) { try await call.value }
        } else {
            let failure = try await call.value.failure
            #expect(failure?.code == .fenced && failure?.storedFence == fence, "\(String(describing: failure))")
        }
    }

    @Test(arguments: points) func whatAStoppedExecutorHadPreparedIsNotPublishedOnceAnotherTookOver(point: Point)
        async throws
    {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let (first, late) = try await stopped(rig, at: point.name, in: point.operation, fence: 3, id: "executor-1")
        let (other, call) = try await stopped(rig, at: point.other, in: point.operation, fence: 4, id: "executor-2")
        let before = try rig.published()
        let staging = try rig.leftovers().filter { $0.contains("-4") }
        #expect(!staging.isEmpty)

        first.process.signal(SIGCONT)
        try await expectFenced(late, by: 4, at: point)
        #expect(try rig.published() == before)
        #expect(try Set(rig.leftovers()).isSuperset(of: staging), "the other's staging is its own")

        other.process.signal(SIGCONT)
        let outcome = try await call.value
        guard case .result = outcome else { throw Unexpected(outcome: "\(outcome)") }
        try await eventually("nothing is left behind", within: .seconds(30)) { try rig.leftovers().isEmpty }
        #expect(!sidecar.agent.isFrozen)
        for executor in [first, other] { #expect(executor.process.end() == 0) }
        try await sidecar.stop()
    }

    /// The other one has published by then, and gone further.
    @Test(arguments: points) func currentNeverGoesBackToWhatAStoppedExecutorWanted(point: Point) async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let (first, late) = try await stopped(rig, at: point.name, in: point.operation, fence: 3, id: "executor-1")
        let other = try await ExecutorProcess(rig.scratch, settings: ["EXECUTOR_ID": "executor-2"])
        #expect(try await other.settle(point.operation, fence: 4) == .notPublished)
        guard case .result = try await other.execute(point.operation, fence: 5) else {
            throw Unexpected(outcome: "not published")
        }
        let further = Operation.setCurrent(
            snapshotID: Ids.snapshot, liveID: "01890000-0000-7000-8000-0000000000c9", discard: true)
        guard case .result = try await other.execute(further, fence: 6) else {
            throw Unexpected(outcome: "not switched")
        }
        let before = try rig.published()
        first.process.signal(SIGCONT)
        try await expectFenced(late, by: 6, at: point)
        #expect(try rig.published() == before)
        try await eventually("nothing is left behind", within: .seconds(30)) { try rig.leftovers().isEmpty }
        #expect(try rig.published() == before && !sidecar.agent.isFrozen)
        for executor in [first, other] { #expect(executor.process.end() == 0) }
        try await sidecar.stop()
    }

    /// What an attempt left behind and what a later one makes must not have the same name.
    @Test func whoIsStoppedOverTheRemainsOfAnAttemptTakesNothingAwayFromALaterOne() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let dying = try await ExecutorProcess(rig.scratch, failpoint: "executor.set.after_publish:kill")
        _ = try? await dying.execute(Self.set, fence: 3)
        let (first, late) = try await stopped(
            rig, at: "executor.set.before_remains", in: Self.set, fence: 4, id: "executor-1")
        let other = try await ExecutorProcess(rig.scratch, settings: ["EXECUTOR_ID": "executor-2"])
        #expect(try await other.settle(Self.set, fence: 5) == .notPublished)
        guard case .result = try await other.execute(Self.set, fence: 6) else {
            throw Unexpected(outcome: "not switched")
        }
        let current = try rig.scratch.directory("ws-1").readLink("current")
        first.process.signal(SIGCONT)
        #expect(try await late.value.failure != nil)
        #expect(try rig.scratch.directory("ws-1").readLink("current") == current)
        #expect(try rig.text("current/file") == "one")
        // The answer of the attempt that switched is still to be had.
        guard case .published = try await other.settle(Self.set, fence: 7) else {
            throw Unexpected(outcome: "lost")
        }
        #expect(try !rig.names("live").contains("\(Self.live).json"))
        for executor in [first, other] { #expect(executor.process.end() == 0) }
        try await sidecar.stop()
    }

    @Test func aManifestWithoutItsSnapshotIsNoneAndTheNextAttemptReplacesIt() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let dying = try await ExecutorProcess(rig.scratch, failpoint: "executor.fence.record_renamed:kill")
        _ = try? await dying.execute(Self.create, fence: 3)
        let executor = try await ExecutorProcess(rig.scratch)
        #expect(try await executor.settle(Self.create, fence: 4) == .notPublished)
        guard case .result = try await executor.execute(Self.create, fence: 5) else {
            throw Unexpected(outcome: "not published")
        }
        let folder = try #require(try WorkspaceFolder(mount: rig.scratch.root(), wsid: "ws-1"))
        #expect(try folder.manifest(of: Self.snapshot)?.fence == 5)
        #expect(executor.process.end() == 0)
        try await sidecar.stop()
    }

    @Test func currentDoesNotMoveUnderAnAgentThatRunsAgainSinceTheLeaseLapsed() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let executor = try await ExecutorProcess(
            rig.scratch, failpoint: "executor.set.after_freeze:stop", settings: ["EXECUTOR_FREEZE_LEASE": "2s"])
        let call = Task { try await executor.execute(Self.set, fence: 3, deadline: .seconds(120)) }
        try await executor.isStopped(at: "executor.set.after_freeze")
        try await eventually("the agent runs again", within: .seconds(60)) { !sidecar.agent.isFrozen }
        executor.process.signal(SIGCONT)
        let failure = try await call.value.failure
        #expect(failure?.code == .quiesceBroken && failure?.retryable == true, "\(String(describing: failure))")
        #expect(try rig.scratch.directory("ws-1").readLink("current") == "live/\(Ids.live)")
        try await eventually("nothing is left behind", within: .seconds(30)) { try rig.leftovers().isEmpty }
        #expect(try rig.names("live") == [Ids.live, "\(Ids.live).json"])
        #expect(executor.process.end() == 0)
        try await sidecar.stop()
    }
}
