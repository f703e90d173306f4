import ExecutorRPC
import Foundation
import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// The operations on file systems of their own: what a rename, a sync and a full disk really do there.
@Suite(.enabled(if: ScratchFileSystem.canMount, "mounting takes root"))
struct RealFileSystemTests {
    private static let live = "01890000-0000-7000-8000-0000000000c1"
    private let create = Operation.snapshotCreate(snapshotID: Ids.snapshot, message: "")

    /// A rig on a mounted file system, with a workspace whose live tree is `ws-1/current`.
    private func rig(on fileSystem: ScratchFileSystem) async throws -> Rig {
        let scratch = ScratchMount(at: fileSystem.path)
        let mount = try scratch.root()
        let engine = try withExtendedLifetime(mount) { try EngineChoice.auto.engine(mount: mount.raw, threads: 2) }
        let rig = try await Rig(on: scratch, engine: engine)
        try await rig.makeWorkspace()
        return rig
    }

    @Test(arguments: [ScratchFileSystem.Kind.xfs, .btrfs, .ext4])
    func aRollbackBringsBackTheSnapshotInEveryRespect(kind: ScratchFileSystem.Kind) async throws {
        try await ScratchFileSystem.with(kind) { fileSystem in
            let rig = try await rig(on: fileSystem)
            let workspace = "\(fileSystem.path)/ws-1"
            try await blocking {
                var generator = TreeGenerator(seed: 7)
                try generator.fill("\(workspace)/live/\(Ids.live)", count: 60)
            }
            let sidecar = try await Sidecar(rig.scratch)
            let snapshot = try #require(try await rig.execute(create, fence: 2).snapshot)
            #expect(snapshot.engine == (kind == .ext4 ? "copy" : kind == .btrfs ? "btrfs" : "reflink"))
            let tree = "\(workspace)/snapshots/\(Ids.snapshot)"
            let cloned = try await blocking { try TreeComparison.differences("\(workspace)/live/\(Ids.live)", tree) }
            #expect(cloned == [])
            try rig.scratch.write("changed", to: "ws-1/current/added")
            let set = Operation.setCurrent(snapshotID: Ids.snapshot, liveID: Self.live, discard: false)
            #expect(try await rig.execute(set, fence: 3).current?.currentPath == "live/\(Self.live)")
            let restored = try await blocking {
                try TreeComparison.differences("\(workspace)/live/\(Self.live)", tree)
            }
            #expect(restored == [])
            #expect(try await rig.execute(.snapshotDrop(snapshotID: Ids.snapshot), fence: 4).failure == nil)
            #expect(try rig.names("snapshots").isEmpty)
            try await sidecar.stop()
        }
    }

    @Test func aFullDiskFailsTheAttemptAndLeavesNothing() async throws {
        try await ScratchFileSystem.with(.tmpfs, megabytes: 16) { fileSystem in
            let rig = try await rig(on: fileSystem)
            try rig.scratch.write(String(repeating: "x", count: 10 << 20), to: "ws-1/current/large")
            let sidecar = try await Sidecar(rig.scratch)
            let failure = try await rig.execute(create, fence: 2).failure
            #expect(failure?.code == .executorError && failure?.retryable == true)
            #expect(failure?.message.contains("No space left") == true)
            #expect(try rig.names("snapshots").isEmpty)
            #expect(rig.registry.render().contains("wvs_clone_fail_total{reason=\"no_space\"} 1"))
            try await eventually("the agent runs again") { !sidecar.agent.isFrozen }
            try FileManager.default.removeItem(atPath: "\(fileSystem.path)/ws-1/current/large")
            #expect(try await rig.execute(create, fence: 3).snapshot != nil)
            try await sidecar.stop()
        }
    }

    @Test func aReadOnlyFileSystemFailsTheAttemptWithItsCause() async throws {
        try await ScratchFileSystem.with(.tmpfs, megabytes: 16) { fileSystem in
            let rig = try await rig(on: fileSystem)
            try await Command.run(["mount", "-o", "remount,ro", fileSystem.path])
            let failure = try await rig.execute(create, fence: 2).failure
            #expect(failure?.code == .executorError && failure?.message.contains("Read-only file system") == true)
        }
    }

    @Test func aWorkspaceOnAnotherFileSystemIsNotFollowed() async throws {
        try await ScratchFileSystem.with(.tmpfs, megabytes: 16) { fileSystem in
            let rig = try await rig(on: fileSystem)
            let snapshots = "\(fileSystem.path)/ws-1/snapshots"
            try await Command.run(["mount", "-t", "tmpfs", "none", snapshots])
            let failure = try await rig.execute(create, fence: 2).failure
            try await unmount(snapshots)
            #expect(failure?.message.contains("another file system") == true)
        }
    }
}
