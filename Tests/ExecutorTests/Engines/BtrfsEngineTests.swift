private import CShims
import ExecutorRPC
private import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite("Subvolumes of btrfs", .enabled(if: ScratchFileSystem.canMount, "mounting takes root"))
struct BtrfsEngineTests {
    private static let live = "01890000-0000-7000-8000-0000000000d1"
    private let create = Operation.snapshotCreate(snapshotID: Ids.snapshot, message: "")
    private let set = Operation.setCurrent(snapshotID: Ids.snapshot, liveID: Self.live, discard: false)

    private func rig(
        on fileSystem: ScratchFileSystem, engine: any CloneEngine = BtrfsEngine()
    ) async throws -> Rig {
        let rig = try await Rig(on: ScratchMount(at: fileSystem.path), engine: engine)
        try await rig.makeWorkspace()
        return rig
    }

    private func isSubvolume(_ path: String) throws -> Bool {
        var status = FileStatus()
        try systemCall("stat", path) { stat(path, &status) }
        return status.st_ino == 256
    }

    private func btrfs(_ words: String...) async throws { try await Command.run(["btrfs"] + words) }

    @Test("live trees are subvolumes, snapshots are subvolumes that nobody can write to")
    func subvolumes() async throws {
        try await ScratchFileSystem.with(.btrfs) { fileSystem in
            let rig = try await rig(on: fileSystem)
            let workspace = "\(fileSystem.path)/ws-1"
            try rig.scratch.write("one", to: "ws-1/current/file")
            let sidecar = try await Sidecar(rig.scratch)
            let snapshot = try #require(try await rig.execute(create, fence: 2).snapshot)
            #expect(snapshot.engine == "btrfs" && snapshot.entries == 1)
            #expect(try await rig.execute(set, fence: 3).current?.currentPath == "live/\(Self.live)")
            for tree in ["live/\(Ids.live)", "snapshots/\(Ids.snapshot)", "live/\(Self.live)"] {
                #expect(try isSubvolume("\(workspace)/\(tree)"), "\(tree)")
            }
            // Not even root.
            #expect(open("\(workspace)/snapshots/\(Ids.snapshot)/file", O_WRONLY) == -1 && errno == EROFS)
            try rig.scratch.write("two", to: "ws-1/current/file")
            #expect(try rig.text("snapshots/\(Ids.snapshot)/file") == "one")
            #expect(try await rig.execute(.snapshotDrop(snapshotID: Ids.snapshot), fence: 4).failure == nil)
            #expect(try rig.names("snapshots") == [])
            try await sidecar.stop()
        }
    }

    @Test("a live tree that is none is cloned file by file, and is one after the next rollback")
    func fallback() async throws {
        try await ScratchFileSystem.with(.btrfs) { fileSystem in
            let before = try await rig(on: fileSystem, engine: TreeWalkEngine.reflink())
            try before.scratch.write("one", to: "ws-1/current/file")
            let workspace = "\(fileSystem.path)/ws-1"
            #expect(try !isSubvolume("\(workspace)/live/\(Ids.live)"))
            let sidecar = try await Sidecar(before.scratch)
            let rig = try await Rig(on: before.scratch, engine: BtrfsEngine())
            let snapshot = try #require(try await rig.execute(create, fence: 2).snapshot)
            #expect(snapshot.engine == "reflink" && snapshot.entries == 1)
            #expect(open("\(workspace)/snapshots/\(Ids.snapshot)/file", O_WRONLY) == -1 && errno == EROFS)
            #expect(try await rig.execute(set, fence: 3).current != nil)
            #expect(try isSubvolume("\(workspace)/live/\(Self.live)"))
            #expect(try rig.text("current/file") == "one")
            try await sidecar.stop()
        }
    }

    @Test("nested subvolumes fail the task before anybody is frozen, and it names them")
    func nested() async throws {
        try await ScratchFileSystem.with(.btrfs) { fileSystem in
            let rig = try await rig(on: fileSystem)
            let live = "\(fileSystem.path)/ws-1/live/\(Ids.live)"
            try await btrfs("subvolume", "create", "\(live)/one")
            try systemCall("mkdir") { mkdir("\(live)/folder", 0o755) }
            try await btrfs("subvolume", "create", "\(live)/folder/two")
            let sidecar = try await Sidecar(rig.scratch)
            let failure = try await rig.execute(create, fence: 2).failure
            #expect(failure?.code == .executorError && failure?.retryable == false)
            #expect(failure?.message.contains("one, folder/two") == true, "\(failure?.message ?? "")")
            #expect(sidecar.agent.freezes == 0)
            #expect(try rig.names("snapshots") == [])
            for name in ["one", "folder/two"] { try await btrfs("subvolume", "delete", "\(live)/\(name)") }
            #expect(try await rig.execute(create, fence: 3).snapshot?.engine == "btrfs")
            try await sidecar.stop()
        }
    }

    @Test("a file system that is mounted inside fails a clone with its path, as with every engine")
    func nestedMount() async throws {
        try await ScratchFileSystem.with(.btrfs) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: BtrfsEngine())
            for name in ["with space", "with space/inner"] { try run.makeDirectory("\(run.source)/\(name)") }
            try await Command.run(["mount", "-t", "tmpfs", "none", "\(run.source)/with space/inner"])
            await #expect(throws: NestedMount(path: "with space/inner")) { try await blocking { try run.clone() } }
            #expect(!run.exists(run.target))
            try await Command.run(["umount", "\(run.source)/with space/inner"])
            #expect(try await blocking { try run.clone() }.entries == 2)
        }
    }

    @Test("a clone shows one instant of a tree that is being changed")
    func atomicity() async throws {
        try await ScratchFileSystem.with(.btrfs) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: BtrfsEngine())
            let isOver = Mutex(false)
            try run.makeFile("\(run.source)/0", [])
            // At each instant there is one file, or two neighbours.
            let writing = blockingTask {
                var number = 0
                while !isOver.withLock({ $0 }) {
                    try run.makeFile("\(run.source)/\(number + 1)", [])
                    unlink("\(run.source)/\(number)")
                    number += 1
                }
                return number
            }
            for turn in 0..<30 {
                try await blocking { _ = try run.clone(as: .snapshot, "clone\(turn)") }
                let numbers = try Directory(path: "\(run.path)/clone\(turn)").names().compactMap { Int($0) }.sorted()
                #expect(numbers.count == 1 || (numbers.count == 2 && numbers[0] + 1 == numbers[1]), "\(numbers)")
            }
            isOver.withLock { $0 = true }
            #expect(try await writing.value > 30)
        }
    }

    @Test(
        "subvolumes go whatever is in them: read-only ones, nested ones, read-only nested ones, in ordinary directories"
    )
    func removal() async throws {
        try await ScratchFileSystem.with(.btrfs) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: BtrfsEngine())
            try run.makeFiles(5, in: run.source)
            try run.makeDirectory("\(run.source)/folder")
            try await btrfs("subvolume", "create", "\(run.source)/folder/inner")
            try run.makeFiles(5, in: "\(run.source)/folder/inner")
            try await btrfs("subvolume", "create", "\(run.source)/folder/inner/innermost")
            try run.makeFiles(5, in: "\(run.source)/folder/inner/innermost")
            for path in ["folder/inner/innermost", "folder/inner", "."] {
                try await btrfs("property", "set", "\(run.source)/\(path)", "ro", "true")
            }
            try run.makeDirectory("\(run.path)/plain")
            try await btrfs("subvolume", "snapshot", "-r", run.source, "\(run.path)/plain/snapshot")
            // An engine that knows of no subvolumes has to cope as well: it may have been chosen since.
            try await blocking {
                try TreeWalkEngine.reflink().remove(
                    in: run.directory.raw, "source", progress: run.progress, cancellation: run.cancellation)
                try run.remove("plain")
            }
            #expect(try run.directory.names() == [])
        }
    }

    @Test("cloning a subvolume takes no look at its entries: a freeze is as short whatever its size")
    func constantTimeClone() async throws {
        try await ScratchFileSystem.with(.btrfs) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: BtrfsEngine())
            try run.makeFiles(300, in: run.source)
            let counted = try run.engine.clone(
                from: run.directory.raw, "source", to: run.directory.raw, "clone", as: .snapshot, onFailure: .leave,
                progress: run.progress, cancellation: run.cancellation)
            #expect(counted == nil && run.progress.entries == 0)
            #expect(try Directory(path: run.target).names().count == 300)
        }
    }

    @Test("removing a subvolume takes no look at its entries")
    func constantTimeRemoval() async throws {
        try await ScratchFileSystem.with(.btrfs) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: BtrfsEngine())
            try run.makeFiles(300, in: run.source)
            try run.remove("source")
            #expect(run.progress.entries == 1)
        }
    }

    @Test("it works on btrfs alone", arguments: [ScratchFileSystem.Kind.xfs, .tmpfs])
    func probe(_ kind: ScratchFileSystem.Kind) async throws {
        try await ScratchFileSystem.with(kind) { fileSystem in
            let mount = try Directory(path: fileSystem.path)
            #expect(throws: EngineUnusable.self) { try EngineChoice.btrfs.engine(mount: mount.raw, threads: 0) }
        }
    }
}
