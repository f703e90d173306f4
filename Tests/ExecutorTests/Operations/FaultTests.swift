import ExecutorRPC
import Foundation
import Glibc
import Runtime
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

    /// At once, while the agent stands still, or in the first of two phases, while it works.
    @Test(arguments: [1, 2]) func anExceededQuotaFailsTheTaskForGoodUntilThereIsRoom(phases: Int) async throws {
        try await ScratchFileSystem.with(.btrfs, megabytes: 256) { fileSystem in
            let path = fileSystem.path
            let rig = try await rigThatCopies(on: fileSystem, phases: phases)
            try await blocking {
                for index in 0..<12 {
                    try Self.write([UInt8](repeating: 7, count: 1 << 20), "\(path)/ws-1/current/\(index)")
                }
            }
            let sidecar = try await Sidecar(rig.scratch)
            try await Command.run(["btrfs", "quota", "enable", path])
            // Of the file system's own subvolume.
            try await Command.run(["btrfs", "qgroup", "limit", "20m", "0/5", path])
            let failure = try await rig.execute(create, fence: 2).failure
            #expect(failure?.code == .executorError && failure?.retryable == false)
            #expect(failure?.message.contains("Disk quota exceeded") == true, "\(failure?.message ?? "")")
            #expect(rig.registry.render().contains("wvs_clone_fail_total{reason=\"quota\"} 1"))
            #expect(sidecar.agent.freezes == (phases == 1 ? 1 : 0))
            try await expectIntact(rig, sidecar)
            try await Command.run(["btrfs", "qgroup", "limit", "none", "0/5", path])
            #expect(try await rig.execute(create, fence: 3).snapshot?.entries == 12)
            try await expectIntact(rig, sidecar, snapshots: [Ids.snapshot])
            try await sidecar.stop()
        }
    }

    @Test(arguments: [1, 2]) func aFileThatTheMediumHasLostFailsTheTaskWithItsName(phases: Int) async throws {
        try await ScratchFileSystem.with(.btrfs, megabytes: 256) { fileSystem in
            let path = fileSystem.path
            let rig = try await rigThatCopies(on: fileSystem, phases: phases)
            let mark = UUIDv7.make()
            try await blocking {
                for index in 0..<20 {
                    try Self.write([UInt8](repeating: 7, count: 10_000), "\(path)/ws-1/current/\(index)")
                }
                try Self.write(Array(String(repeating: "\(mark)\n", count: 1000).utf8), "\(path)/ws-1/current/bad")
            }
            let sidecar = try await Sidecar(rig.scratch)
            let medium = try await Medium(below: fileSystem, holding: mark)
            try await blocking { try medium.damage(under: "\(path)/ws-1/current/bad") }
            let failure = try await rig.execute(create, fence: 2).failure
            #expect(failure?.code == .executorError && failure?.retryable == true)
            #expect(failure?.message.contains("Input/output error") == true, "\(failure?.message ?? "")")
            #expect(failure?.message.contains("copy_file_range bad:") == true, "\(failure?.message ?? "")")
            #expect(rig.registry.render().contains("wvs_clone_fail_total{reason=\"io\"} 1"))
            #expect(sidecar.agent.freezes == (phases == 1 ? 1 : 0))
            try await expectIntact(rig, sidecar)
            try await blocking { try medium.repair() }
            #expect(try await rig.execute(create, fence: 3).snapshot?.entries == 21)
            #expect(try rig.text("snapshots/\(Ids.snapshot)/bad").hasPrefix(mark))
            try await expectIntact(rig, sidecar, snapshots: [Ids.snapshot])
            try await sidecar.stop()
        }
    }

    /// Bytes are read and written, though the file system shares them where it may: between a file that has NOCOW and one that has
    /// not it may not.
    private func rigThatCopies(on fileSystem: ScratchFileSystem, phases: Int) async throws -> Rig {
        let rig = try await Rig(
            on: ScratchMount(at: fileSystem.path), settings: ["EXECUTOR_CLONE_PHASES": "\(phases)"])
        try await rig.makeWorkspace()
        try await Command.run(["chattr", "+C", "\(fileSystem.path)/ws-1/snapshots"])
        return rig
    }

    private static func write(_ content: [UInt8], _ path: String) throws {
        try Data(content).write(to: URL(fileURLWithPath: path))
    }

    /// What the agent has written between the phases is what does not fit: it stands still when that shows.
    @Test func aSecondPhaseWithoutRoomFailsTheTaskAndTheAgentRuns() async throws {
        try await ScratchFileSystem.with(.ext4, megabytes: 64) { fileSystem in
            let path = fileSystem.path
            let rig = try await Rig(on: ScratchMount(at: path))
            try await rig.makeWorkspace()
            for index in 0..<50 { try rig.scratch.write("\(index)", to: "ws-1/current/\(index)") }
            let sidecar = try await Sidecar(rig.scratch)
            let wasCloned = Mutex(false)
            sidecar.agent.whileFrozen {
                // Of the first phase; its last moment before it stands still.
                wasCloned.withLock { $0 = rig.scratch.exists("ws-1/snapshots/.staging-\(Ids.snapshot)-2/7") }
                do { try Self.write([UInt8](repeating: 7, count: 40 << 20), "\(path)/ws-1/current/large") } catch {
                    Issue.record(error)
                }
            }
            let failure = try await rig.execute(create, fence: 2).failure
            #expect(failure?.code == .executorError && failure?.retryable == true)
            #expect(failure?.message.contains("No space left") == true, "\(failure?.message ?? "")")
            #expect(failure?.message.contains("large") == true, "\(failure?.message ?? "")")
            #expect(wasCloned.withLock { $0 } && sidecar.agent.freezes == 1)
            #expect(rig.registry.render().contains("wvs_clone_fail_total{reason=\"no_space\"} 1"))
            try await expectIntact(rig, sidecar)
            sidecar.agent.whileFrozen {}
            try FileManager.default.removeItem(atPath: "\(path)/ws-1/current/large")
            #expect(try await rig.execute(create, fence: 3).snapshot?.entries == 50)
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

/// What a file system lies on, to be damaged where the content of a file is: its checksum tells, and reading it is an error.
private struct Medium: Sendable {
    private let image: String
    private let mark: String
    private let offset: off_t

    /// - Parameter mark: what the file begins with, and no other.
    init(below fileSystem: ScratchFileSystem, holding mark: String) async throws {
        // Above the root of the mount.
        let image = "\(fileSystem.path)/../image"
        try await Command.run(["sync", "-f", fileSystem.path])
        let found = try await Command.run(["grep", "-abom", "1", mark, image])
        offset = try #require(found.split(separator: ":").first.flatMap { off_t($0) })
        (self.image, self.mark) = (image, mark)
    }

    /// - Parameter path: the file, which is to be read anew.
    func damage(under path: String) throws {
        try write("#")
        let file = FileDescriptor(owning: try systemCall("open", path) { open(path, O_RDONLY | O_CLOEXEC) })
        let code = posix_fadvise(file.raw, 0, 0, POSIX_FADV_DONTNEED)
        if code != 0 { throw SystemError("posix_fadvise", path, errno: code) }
    }

    func repair() throws { try write(String(mark.prefix(1))) }

    private func write(_ byte: String) throws {
        let file = FileDescriptor(owning: try systemCall("open", image) { open(image, O_WRONLY | O_CLOEXEC) })
        let bytes = Array(byte.utf8)
        try systemCall("pwrite", image) { pwrite(file.raw, bytes, bytes.count, offset) }
        try systemCall("fsync", image) { fsync(file.raw) }
    }
}
