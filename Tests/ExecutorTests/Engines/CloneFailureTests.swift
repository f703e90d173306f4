private import CShims
private import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite("Clones that can not be completed")
struct CloneFailureTests {
    @Test("a cancelled clone stops within 100 ms", arguments: [false, true])
    func cancellation(hugeFiles: Bool) async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy(threads: hugeFiles ? 1 : 2))
            if hugeFiles {
                for name in ["one", "two"] { try run.makeHugeFile("\(run.source)/\(name)", megabytes: 200) }
            } else {
                for index in 0..<100 {
                    try run.makeDirectory("\(run.source)/\(index)")
                    try run.makeFiles(60, in: "\(run.source)/\(index)")
                }
            }
            // With one of two huge files done the other is under way.
            let time = try await Interruption.run(after: hugeFiles ? 1 : 200, again: { try run.remove("clone") }) {
                progress, cancellation in
                // Left as it is, so that the time is the walk's alone.
                _ = try run.engine.clone(
                    from: run.directory.raw, "source", to: run.directory.raw, "clone", as: .live,
                    onFailure: .leave, progress: progress, cancellation: cancellation)
            }
            #expect(time < .milliseconds(100))
            #expect(run.exists(run.target))
        }
    }

    @Test("a clone cancelled in its middle is removed")
    func cancellationRemoves() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            for index in 0..<50 {
                try run.makeDirectory("\(run.source)/\(index)")
                try run.makeFiles(60, in: "\(run.source)/\(index)")
            }
            _ = try await Interruption.run(after: 50, again: { try run.remove("clone") }) { progress, cancellation in
                _ = try run.engine.clone(
                    from: run.directory.raw, "source", to: run.directory.raw, "clone", progress: progress,
                    cancellation: cancellation)
            }
            #expect(!run.exists(run.target))
        }
    }

    @Test("a full file system is named as the cause, and nothing is left", .enabled(if: ScratchFileSystem.canMount))
    func noSpace() async throws {
        try await ScratchFileSystem.with(.ext4, megabytes: 16) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            try run.makeFiles(80, in: run.source, size: 100_000)
            let failure = #expect(throws: SystemError.self) { try run.clone() }
            #expect(failure?.errno == ENOSPC)
            #expect(failure?.subject?.hasPrefix("file") == true)
            #expect(!run.exists(run.target))
        }
    }

    @Test("a full file system stops a reflink too, and nothing is left", .enabled(if: ScratchFileSystem.canMount))
    func noSpaceForReflink() async throws {
        // One percent of it may be inodes: 6000.
        try await ScratchFileSystem.with(.xfs, megabytes: 300, options: ["-i", "maxpct=1"]) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.reflink())
            try run.makeFiles(4000, in: run.source, size: 100)
            let failure = #expect(throws: SystemError.self) { try run.clone() }
            #expect(failure?.errno == ENOSPC)
            #expect(!run.exists(run.target))
        }
    }

    @Test(
        "a file system mounted inside the tree fails the clone with its path", .enabled(if: ScratchFileSystem.canMount))
    func nestedMount() async throws {
        try await ScratchFileSystem.with(.tmpfs) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            try run.makeDirectory("\(run.source)/a")
            try run.makeDirectory("\(run.source)/a/mounted")
            try systemCall("mount") { mount("none", "\(run.source)/a/mounted", "tmpfs", 0, nil) }
            #expect(throws: NestedMount(path: "a/mounted")) { try run.clone() }
            #expect(!run.exists(run.target))
            #expect(throws: NestedMount(path: "source/a/mounted")) { try run.remove("source") }
        }
    }

    @Test("a file bound over another fails the clone with its path", .enabled(if: ScratchFileSystem.canMount))
    func boundFile() async throws {
        try await ScratchFileSystem.with(.tmpfs) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy())
            try run.makeFiles(2, in: run.source)
            try systemCall("mount") {
                mount("\(run.source)/file0", "\(run.source)/file1", nil, UInt(MS_BIND), nil)
            }
            #expect(throws: NestedMount(path: "file1")) { try run.clone() }
            #expect(!run.exists(run.target))
        }
    }

    @Test(
        "the probe tells which file systems share blocks, and leaves nothing", .enabled(if: ScratchFileSystem.canMount))
    func probe() async throws {
        for (kind, works) in [(ScratchFileSystem.Kind.xfs, true), (.btrfs, true), (.ext4, false), (.tmpfs, false)] {
            try await ScratchFileSystem.with(kind) { fileSystem in
                let directory = try Directory(path: fileSystem.path)
                let before = try directory.names()
                let reflink = TreeWalkEngine.reflink()
                if works {
                    try reflink.probe(mount: directory.raw)
                } else {
                    #expect(throws: SystemError.self) { try reflink.probe(mount: directory.raw) }
                }
                try TreeWalkEngine.copy().probe(mount: directory.raw)
                #expect(try directory.names() == before)
            }
        }
    }
}
