private import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite("Making trees durable")
struct SyncTreeTests {
    @Test(
        "a tree with a bit of everything is synced whole, and file by file",
        arguments: ScratchFileSystem.canMount ? [ScratchFileSystem.Kind.ext4, .tmpfs] : [.folder])
    func everything(_ kind: ScratchFileSystem.Kind) async throws {
        try await ScratchFileSystem.with(kind, megabytes: 128) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            var generator = TreeGenerator(seed: 3)
            try generator.fill(run.source, count: 60)
            try run.clone()
            try await blocking {
                try SyncTree.sync(in: run.directory.raw, "clone", cancellation: run.cancellation)
                try SyncTree.syncEachFile(
                    in: run.directory.raw, "clone", threads: 2, cancellation: run.cancellation)
            }
            #expect(try TreeComparison.differences(run.source, run.target) == [])
        }
    }

    @Test("after a file by file sync no page of the tree is dirty", .enabled(if: ScratchFileSystem.canMount))
    func nothingDirty() async throws {
        try await ScratchFileSystem.with(.ext4, megabytes: 64) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            try run.makeDirectory("\(run.source)/a")
            try run.makeFile("\(run.source)/a/file", [UInt8](repeating: 1, count: 20_000))
            // Delayed allocation: a file has no place on the disk until it is written back.
            let isDirty = "filefrag -v '\(run.source)/a/file' | grep -q delalloc"
            #expect(system(isDirty) == 0)
            try SyncTree.syncEachFile(in: run.directory.raw, "source", threads: 1, cancellation: run.cancellation)
            #expect(system(isDirty) != 0)
        }
    }

    @Test("a cancelled sync throws")
    func cancellation() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            try run.makeFiles(3, in: run.source)
            run.cancellation.cancel()
            #expect(throws: CancellationError.self) {
                try SyncTree.sync(in: run.directory.raw, "source", cancellation: run.cancellation)
            }
            #expect(throws: CancellationError.self) {
                try SyncTree.syncEachFile(
                    in: run.directory.raw, "source", threads: 1, cancellation: run.cancellation)
            }
        }
    }
}
