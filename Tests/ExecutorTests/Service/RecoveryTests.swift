import ExecutorRPC
import Foundation
import Quiesce
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite struct RecoveryTests {
    @Test func aStartSweepsTrashAndSourcesBelowTheRecordedFenceAndNothingElse() async throws {
        let scratch = try ScratchMount()
        let folder = try scratch.makeWorkspace(fence: 5)
        let id = Ids.snapshot
        for name in [
            "ws-1/live/.staging-\(id)-4/sub", "ws-1/live/.staging-\(id)-5/sub", "ws-1/live/.trash-x/sub/sub",
            "ws-1/live/notes",
            "ws-1/snapshots/.trash-\(id)/sub", "ws-1/snapshots/\(id)", ".wvs-init/ws-2/.trash-ws-2/sub",
            "Not-A-Workspace/live/.trash-x",
            ".hidden/.trash-x", "ws-3",
        ] { _ = try scratch.directory(name) }
        try FenceFile.create(in: scratch.directory(".wvs-init/ws-2"), fence: 7, owner: .own)
        let rig = try await Rig(on: scratch)
        rig.trash.drain()
        #expect(try folder.live.names().sorted() == [".staging-\(id)-5", Ids.live, "notes"].sorted())
        #expect(try folder.snapshots.names() == [id])
        #expect(scratch.exists("Not-A-Workspace/live/.trash-x") && scratch.exists(".hidden/.trash-x"))
        #expect(scratch.exists(".wvs-init/ws-2/fence") && !scratch.exists(".wvs-init/ws-2/.trash-ws-2"))
    }

    /// What a dead one had frozen is released at once: see CrashTests, where the lease is a minute.
    @Test func aStartReleasesNothingThatALivingExecutorOfItsNameHasFrozen() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        let sidecar = try await Sidecar(rig.scratch)
        let control = try rig.scratch.directory("ws-1/.wvs")
        let coordinator = FreezeCoordinator(
            controlDirectory: control.raw, executorID: "executor-1", logger: Logger(level: .error))
        let freeze = try coordinator.freeze(
            epoch: 2, taskID: Ids.task, lease: .seconds(60), timeout: .seconds(5), cancellation: Cancellation())
        for name in ["executor-2", "executor-1"] { _ = try await Rig(on: rig.scratch, settings: ["EXECUTOR_ID": name]) }
        #expect(sidecar.agent.isFrozen)
        let receipt = try freeze.resume(timeout: .seconds(20), cancellation: Cancellation())
        #expect(receipt.isHeld)
        try await sidecar.stop()
    }
}
