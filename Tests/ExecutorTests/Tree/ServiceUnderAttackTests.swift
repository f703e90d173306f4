import ExecutorRPC
import Glibc
import Runtime
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// The same through the service: an agent that no freeze stops exchanges directories of its live tree for links, while snapshots
/// are made and dropped and the live tree itself is replaced.
@Suite("Workspaces under attack", .enabled(if: ScratchFileSystem.canMount, "mounting takes root"))
struct ServiceUnderAttackTests {
    @Test(
        "nothing outside the workspace is read, written or deleted, and nothing partial stays",
        arguments: [(ScratchFileSystem.Kind.tmpfs, 1), (.xfs, 1), (.xfs, 2), (.ext4, 2), (.btrfs, 1)])
    func attack(_ kind: ScratchFileSystem.Kind, phases: Int) async throws {
        try await ScratchFileSystem.with(kind) { fileSystem in
            let scratch = ScratchMount(at: fileSystem.path)
            let mount = try scratch.root()
            let engine = try withExtendedLifetime(mount) { try EngineChoice.auto.engine(mount: mount.raw, threads: 2) }
            let settings = ["EXECUTOR_LIVE_RETENTION": "0", "EXECUTOR_CLONE_PHASES": "\(phases)"]
            let rig = try await Rig(on: scratch, settings: settings, engine: engine)
            try await rig.makeWorkspace()
            let attack = try Attack(rig)
            let sidecar = try await Sidecar(scratch)
            let quiet = try await rig.execute(.snapshotCreate(snapshotID: Ids.snapshot, message: ""), fence: 2)
            #expect(quiet.snapshot?.entries == 50)
            let canary = try attack.adversary.canary()
            let deadline = MonotonicTime.now + .seconds(60)
            var round: UInt64 = 0
            while round < 40 || (!attack.isHit(engine) && .now < deadline) {
                round += 1
                try await attack.round(fence: 3 * round)
            }
            #expect(attack.isHit(engine), "\(attack.outcomes), \(attack.adversary.count) swaps")
            #expect(attack.outcomes.others == [])
            #expect(try attack.adversary.canary() == canary)
            try await attack.expectTidy(fence: 3 * (round + 1))
            try await sidecar.stop()
        }
    }
}

private final class Attack {
    struct Outcomes {
        var complete = 0
        var refused = 0
        var others: [String] = []
    }

    let adversary: Adversary
    private(set) var outcomes = Outcomes()
    private let rig: Rig
    private var workspace: String { "\(rig.scratch.path)/ws-1" }

    init(_ rig: Rig) throws {
        self.rig = rig
        adversary = try Adversary(CloneRun("\(rig.scratch.path)/elsewhere", engine: TreeWalkEngine.copy()))
        try adversary.prepare("\(workspace)/current")
    }

    /// What is atomic is never refused.
    func isHit(_ engine: any CloneEngine) -> Bool {
        adversary.count > 500 && (outcomes.refused > 0 || engine.promises.isAtomic)
    }

    /// Swaps in the tree that is live now, wherever it is moved, while it is cloned, replaced and removed.
    func round(fence: UInt64) async throws {
        let live = try Directory(path: "\(workspace)/current")
        let swapping = adversary.swap(in: "/proc/self/fd/\(live.raw)")
        let outcome: Result<Void, any Error>
        do {
            outcome = .success(try await operate(fence: fence))
        } catch {
            outcome = .failure(error)
        }
        // In any case before the descriptor is another's.
        try await adversary.stop(swapping)
        withExtendedLifetime(live) {}
        try outcome.get()
    }

    private func operate(fence: UInt64) async throws {
        let before = adversary.count
        try await eventually("the adversary is at work") { self.adversary.count > before + 10 }
        let id = UUIDv7.make()
        let created = try await rig.execute(.snapshotCreate(snapshotID: id, message: ""), fence: fence)
        if created.snapshot != nil {
            outcomes.complete += 1
        } else if let failure = created.failure, failure.code == .executorError, failure.retryable {
            outcomes.refused += 1
        } else {
            outcomes.others.append("\(created)")
        }
        #expect(try adversary.secrets(below: "\(workspace)/snapshots/\(id)") == 0)
        let dropped = try await rig.execute(.snapshotDrop(snapshotID: id), fence: fence + 1)
        #expect(dropped.failure == nil)
        let set = Operation.setCurrent(snapshotID: Ids.snapshot, liveID: UUIDv7.make(), discard: true)
        let replaced = try await rig.execute(set, fence: fence + 2)
        #expect(replaced.current != nil, "\(replaced)")
        rig.trash.drain()
    }

    /// What was swapped back and forth for too long to be removed goes with the next trash.
    func expectTidy(fence: UInt64) async throws {
        #expect(try await rig.execute(.snapshotDrop(snapshotID: UUIDv7.make()), fence: fence).failure == nil)
        rig.trash.collect(workspace: "ws-1")
        #expect(try rig.names("snapshots") == [Ids.snapshot, "\(Ids.snapshot).json"])
        #expect(try rig.names("live").count == 2)
        #expect(try adversary.secrets(below: workspace) == 0)
    }
}
