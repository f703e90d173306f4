import ExecutorRPC
import Foundation
import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// What a file system, a device or a limit may refuse: the task says so, the agent runs, nothing partial stays, and the executor
/// goes on.
@Suite(.enabled(if: ScratchFileSystem.canMount, "mounting takes root"))
struct FaultTests {
    private let create = Operation.snapshotCreate(snapshotID: Ids.snapshot, message: "")
    private let drop = Operation.snapshotDrop(snapshotID: Ids.snapshot)

    private func expectIntact(_ rig: Rig, _ sidecar: Sidecar, snapshots: [String] = []) async throws {
        try await eventually("the agent runs", within: .seconds(30)) { !sidecar.agent.isFrozen }
        #expect(try rig.names("snapshots").filter { !$0.hasSuffix(".json") } == snapshots)
        #expect(try rig.leftovers().isEmpty)
    }

    @Test func aReadOnlyVolumeFailsTheTaskUntilItIsWritableAgain() async throws {
        try await ScratchFileSystem.with(.ext4, megabytes: 64) { fileSystem in
            let path = fileSystem.path
            let rig = try await Rig(on: ScratchMount(at: path))
            try await rig.makeWorkspace()
            rig.trash.drain()
            try await Command.run(["mount", "-o", "remount,ro", path])
            let failure = try await rig.execute(create, fence: 2).failure
            #expect(failure?.message.contains("Read-only") == true && failure?.retryable == true)
            try await Command.run(["mount", "-o", "remount,rw", path])
            let sidecar = try await Sidecar(rig.scratch)
            #expect(try await rig.execute(create, fence: 2).snapshot != nil)
            try await expectIntact(rig, sidecar, snapshots: [Ids.snapshot])
            try await sidecar.stop()
        }
    }

    @Test func anExecutorOutOfDescriptorsFailsItsTasksAndLivesOn() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let executor = try await ExecutorProcess(rig.scratch, settings: ["EXECUTOR_FREEZE_LEASE": "1s"])
        var fence: UInt64 = 3
        var causes: Set<String> = []
        var published = [Ids.snapshot]
        // The connection, and what a first call opens for good.
        #expect(try await executor.execute(drop, fence: fence).failure == nil)
        published = []
        let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(executor.process.pid)/fd").count
        for spare in [0, 1, 2, 4, 6, 9, 12, 16, 20] {
            try await Command.run(["prlimit", "--pid", "\(executor.process.pid)", "--nofile=\(open + spare):4096"])
            fence += 1
            let id = "01890000-0000-7000-8000-\(String(0x1000_0000_0000 + fence, radix: 16))"
            switch try await executor.execute(.snapshotCreate(snapshotID: id, message: ""), fence: fence) {
            case .result: published.append(id)
            case .failure(let failure):
                causes.insert(failure.message.contains("Too many open files") ? "EMFILE" : failure.message)
            }
            try await eventually("the agent runs", within: .seconds(30)) { !sidecar.agent.isFrozen }
        }
        #expect(causes == ["EMFILE"])
        try await Command.run(["prlimit", "--pid", "\(executor.process.pid)", "--nofile=1024:4096"])
        #expect(try await executor.execute(create, fence: fence + 1).snapshot != nil)
        try await expectIntact(rig, sidecar, snapshots: (published + [Ids.snapshot]).sorted())
        #expect(executor.process.end() == 0)
        try await sidecar.stop()
    }
}
