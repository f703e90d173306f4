import ExecutorRPC
import Foundation
import Quiesce
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite struct SnapshotTests {
    private let operation = Operation.snapshotCreate(snapshotID: Ids.snapshot, message: "first")

    @Test func aSnapshotIsClonedWhileTheAgentStandsStillAndSaysSo() async throws {
        let frozenAtClone = Mutex<Bool?>(nil)
        let agent = Mutex<StillAgent?>(nil)
        let rig = try await Rig {
            let isFrozen = agent.withLock { $0?.isFrozen }
            frozenAtClone.withLock { $0 = isFrozen }
        }
        try await rig.makeWorkspace()
        try rig.scratch.write("one", to: "ws-1/current/file")
        let sidecar = try await Sidecar(rig.scratch)
        agent.withLock { $0 = sidecar.agent }
        let outcome = try await rig.execute(operation, fence: 2)
        let result = try #require(outcome.snapshot, "\(outcome)")
        #expect(result.fsPath == "snapshots/\(Ids.snapshot)" && result.engine == "copy" && result.entries == 1)
        #expect(result.receipt.consistency == "quiesced" && result.receipt.windowMilliseconds > 0)
        #expect(result.receipt.acknowledgements.allSatisfy { $0.held && $0.flushedFiles == 3 })
        #expect(frozenAtClone.withLock { $0 } == true)
        #expect(!sidecar.agent.isFrozen)
        try rig.scratch.write("two", to: "ws-1/current/file")
        #expect(try rig.text("snapshots/\(Ids.snapshot)/file") == "one")
        let folder = try #require(try WorkspaceFolder(mount: rig.scratch.root(), wsid: "ws-1"))
        let manifest = try #require(try folder.manifest(of: Ids.snapshot))
        #expect(manifest.message == "first" && manifest.taskID == Ids.task && manifest.fence == 2)
        #expect(manifest.receipt.message == result.receipt)
        #expect(try rig.names("snapshots") == [Ids.snapshot, "\(Ids.snapshot).json"])
        try await sidecar.stop()
    }

    @Test func aRepeatedCallAnswersTheRecordedResultWithoutFreezingAnybody() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let first = try await rig.execute(operation, fence: 2)
        let second = try await rig.execute(operation, fence: 3)
        #expect(first == second && first.snapshot != nil)
        #expect(sidecar.agent.freezes == 1 && rig.engine.clones == 1)
        #expect(try await rig.settle(operation, fence: 4) == first.snapshot.map { .published(.snapshotCreate($0)) })
        try await sidecar.stop()
    }

    @Test func withoutASidecarNothingIsPublished() async throws {
        let rig = try await Rig(settings: ["EXECUTOR_QUIESCE_TIMEOUT": "50ms"])
        try await rig.makeWorkspace()
        let failure = try await rig.execute(operation, fence: 2).failure
        #expect(failure?.code == .quiesceTimeout && failure?.retryable == true)
        #expect(failure?.message.contains("ever attached") == true)
        #expect(try rig.names("snapshots").isEmpty)
        #expect(rig.registry.render().contains("wvs_quiesce_timeout_total 1"))
    }

    @Test func aCloneDuringWhichTheAgentRanIsVoid() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        let sidecar = try await Sidecar(rig.scratch)
        sidecar.agent.loseLeases()
        let failure = try await rig.execute(operation, fence: 2).failure
        #expect(failure?.code == .quiesceBroken && failure?.retryable == true)
        #expect(try rig.names("snapshots").isEmpty)
        #expect(rig.registry.render().contains("wvs_quiesce_broken_total 1"))
        try await sidecar.stop()
    }

    @Test func cancellingInTheMiddleOfACloneLeavesNothing() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        let sidecar = try await Sidecar(rig.scratch)
        rig.engine.close()
        let call = Task { try await rig.execute(operation, fence: 2) }
        try await eventually("the clone is under way") { rig.engine.clones == 1 }
        let progress = try await rig.executor.getTask(GetTaskRequest(taskID: Ids.task), context: CallContext())
        guard case .running(wsid: "ws-1", fence: 2, let progress) = progress else {
            throw Unexpected(outcome: "\(progress)")
        }
        #expect(progress.phase == .cloning && progress.frozen)
        call.cancel()
        // The gate stays closed: but for the cancellation this would never end.
        #expect(try await call.value.failure?.code == .canceled)
        try await eventually("the agent runs again") { !sidecar.agent.isFrozen }
        #expect(try rig.names("snapshots").isEmpty)
        guard
            case .ended(wsid: "ws-1", fence: 2, .failure(let failure)) = try await rig.executor.getTask(
                GetTaskRequest(taskID: Ids.task), context: CallContext())
        else { throw Unexpected(outcome: "the attempt is not over") }
        #expect(failure.code == .canceled)
        try await sidecar.stop()
    }

    @Test func aCallThatMissesItsDeadlineSaysWhereItStood() async throws {
        let rig = try await Rig(settings: ["EXECUTOR_QUIESCE_TIMEOUT": "1900ms", "EXECUTOR_TASK_TIMEOUT": "2s"])
        try await rig.makeWorkspace()
        let sidecar = try await Sidecar(rig.scratch)
        rig.engine.close()
        let failure = try await rig.execute(operation, fence: 2).failure
        #expect(failure?.code == .executorTimeout && failure?.message.contains("while ") == true)
        #expect(try rig.names("snapshots").isEmpty)
        try await sidecar.stop()
    }

    @Test func aHigherFenceOfAnotherExecutorBarsAnAttemptThatIsStillCloning() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        let sidecar = try await Sidecar(rig.scratch)
        rig.engine.close()
        let stalled = Task { try await rig.execute(operation, fence: 2) }
        try await eventually("the clone is under way") {
            rig.engine.clones == 1 && rig.scratch.exists("ws-1/snapshots/.staging-\(Ids.snapshot)-2")
        }
        let other = try await Rig(on: rig.scratch)
        #expect(try await other.settle(operation, fence: 3) == .notPublished)
        rig.engine.open()
        let failure = try await stalled.value.failure
        #expect(failure?.code == .fenced && failure?.storedFence == 3)
        _ = try other.names("snapshots")
        #expect(try rig.names("snapshots").isEmpty)
        #expect(try await other.execute(operation, fence: 4).snapshot != nil)
        try await sidecar.stop()
    }

    @Test func aHigherFenceOfTheSameExecutorStopsTheOlderCall() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        let sidecar = try await Sidecar(rig.scratch)
        rig.engine.close()
        let older = Task { try await rig.execute(operation, fence: 2) }
        try await eventually("the clone is under way") { rig.engine.clones == 1 }
        #expect(try await rig.settle(operation, fence: 3) == .notPublished)
        let failure = try await older.value.failure
        #expect(failure?.code == .fenced && failure?.storedFence == 3)
        #expect(try rig.names("snapshots").isEmpty)
        try await sidecar.stop()
    }

    @Test func aSnapshotThatNamesAnotherIsNotAdopted() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let other = "01890000-0000-7000-8000-0000000000aa"
        _ = try rig.scratch.directory("ws-1/snapshots/\(other)")
        try rig.scratch.write(rig.text("snapshots/\(Ids.snapshot).json"), to: "ws-1/snapshots/\(other).json")
        let failure = try await rig.execute(.snapshotCreate(snapshotID: other, message: ""), fence: 3).failure
        #expect(failure?.message.contains("describes something else") == true)
        #expect(sidecar.agent.freezes == 1)
        try await sidecar.stop()
    }

    @Test func aDroppedSnapshotIsGoneAndDroppingItAgainIsNoError() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let drop = Operation.snapshotDrop(snapshotID: Ids.snapshot)
        #expect(try await rig.settle(drop, fence: 3) == .notPublished)
        #expect(try await rig.execute(drop, fence: 4) == .result(.snapshotDrop(alreadyGone: false)))
        #expect(try rig.names("snapshots").isEmpty)
        #expect(try await rig.execute(drop, fence: 5) == .result(.snapshotDrop(alreadyGone: true)))
        #expect(try await rig.settle(drop, fence: 6) == .published(.snapshotDrop(alreadyGone: true)))
        try await sidecar.stop()
    }

    @Test func nothingIsSaidToBeGoneWhereTheWorkspaceIsNotThere() async throws {
        let rig = try await Rig()
        let drop = Operation.snapshotDrop(snapshotID: Ids.snapshot)
        let failure = try await rig.execute(drop, fence: 5).failure
        #expect(failure?.code == .executorError && failure?.retryable == true)
        guard case .failure = try await rig.settle(drop, fence: 6) else { throw Unexpected(outcome: "settled") }
    }
}
