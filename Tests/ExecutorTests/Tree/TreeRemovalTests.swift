private import CShims
private import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite("Removing trees")
struct TreeRemovalTests {
    @Test(
        "a tree with a bit of everything goes altogether",
        arguments: ScratchFileSystem.canMount ? [ScratchFileSystem.Kind.xfs, .ext4, .tmpfs] : [.folder])
    func everything(_ kind: ScratchFileSystem.Kind) async throws {
        try await ScratchFileSystem.with(kind) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            var generator = TreeGenerator(seed: 7)
            try generator.fill(run.source, count: 100)
            try await blocking { try run.remove("source") }
            #expect(!run.exists(run.source))
            #expect(run.progress.entries > 800)
        }
    }

    @Test("what is not there, a file and a link are removed as well; a link is not followed")
    func otherEntries() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            try run.makeFiles(1, in: run.source)
            try run.makeFile("\(run.path)/file", [1])
            try systemCall("symlink") { symlink("source", "\(run.path)/link") }
            for name in ["absent", "file", "link"] { try run.remove(name) }
            #expect(try run.directory.names() == ["source"])
            #expect(run.exists("\(run.source)/file0"))
        }
    }

    @Test("immutable and append-only entries do not stay", .enabled(if: ScratchFileSystem.canMount))
    func immutable() async throws {
        try await ScratchFileSystem.with(.ext4, megabytes: 64) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            try run.makeDirectory("\(run.source)/a")
            try run.makeFiles(3, in: "\(run.source)/a")
            #expect(system("chattr +i '\(run.source)/a/file1' && chattr +a '\(run.source)/a'") == 0)
            // A clone of it is an ordinary tree.
            try run.clone()
            #expect(try TreeComparison.differences(run.source, run.target) == [])
            for name in ["source", "clone"] { try run.remove(name) }
            #expect(try run.directory.names().filter { $0 != "lost+found" } == [])
        }
    }

    @Test("a cancelled removal stops and can be taken up again")
    func cancellation() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            for index in 0..<60 {
                try run.makeDirectory("\(run.source)/\(index)")
                try run.makeFiles(60, in: "\(run.source)/\(index)")
            }
            try run.clone()
            _ = try await Interruption.run(after: 50, again: { try run.clone() }) { progress, cancellation in
                try run.engine.remove(
                    in: run.directory.raw, "clone", progress: progress, cancellation: cancellation)
            }
            #expect(run.exists(run.target))
            try run.remove("clone")
            #expect(!run.exists(run.target))
        }
    }

    @Test("one entry that must stay does not keep the others, and is named", .enabled(if: ScratchFileSystem.canMount))
    func resilience() async throws {
        try await ScratchFileSystem.with(.tmpfs) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            for name in ["a", "b", "b/busy", "c"] { try run.makeDirectory("\(run.source)/\(name)") }
            try run.makeFiles(5, in: "\(run.source)/b")
            try systemCall("mount") { mount("none", "\(run.source)/b/busy", "tmpfs", 0, nil) }
            try run.makeFiles(2, in: "\(run.source)/b/busy")
            #expect(throws: NestedMount(path: "source/b/busy")) { try run.remove("source") }
            #expect(try Directory(path: run.source).names() == ["b"])
            #expect(try Directory(path: "\(run.source)/b").names() == ["busy"])
            #expect(run.exists("\(run.source)/b/busy/file1"))
        }
    }
}
