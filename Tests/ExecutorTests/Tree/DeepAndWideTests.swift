private import CShims
private import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// Trees larger than the descriptors of a process.
@Suite("Deep and wide trees")
struct DeepAndWideTests {
    @Test("a tree thousands deep, with a branch at each level, is cloned and removed with few descriptors")
    func deep() async throws {
        try await ScratchFileSystem.with(ScratchFileSystem.canMount ? .tmpfs : .folder) { fileSystem in
            let depth = 3000
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy(threads: 2))
            try makeComb(in: run.source, depth: depth)
            let most = Mutex(0)
            let clone = blockingTask { try run.clone() }
            while run.progress.entries < 3 * depth {
                let open = try Directory(path: "/proc/self/fd").names().count
                most.withLock { $0 = max($0, open) }
                if clone.isCancelled { break }
                await Task.yield()
            }
            let summary = try await clone.value
            #expect(summary.entries == 3 * depth)
            #expect(try combDepth(in: run.target) == depth)
            #expect(most.withLock { $0 } < 1000)
            try await blocking {
                try run.remove("source")
                try run.remove("clone")
            }
            #expect(try run.directory.names() == [])
        }
    }

    @Test("thousands of directories in one are cloned and removed, their files linked across them")
    func wide() async throws {
        try await ScratchFileSystem.with(ScratchFileSystem.canMount ? .tmpfs : .folder) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy(threads: 4))
            try run.makeFile("\(run.source)/first", [1, 2, 3])
            for index in 0..<4000 {
                try run.makeDirectory("\(run.source)/\(index)")
                try systemCall("link") { link("\(run.source)/first", "\(run.source)/\(index)/name") }
            }
            let summary = try await blocking { try run.clone() }
            #expect(summary == CloneSummary(entries: 8001, bytes: 3))
            #expect(try TreeComparison.differences(run.source, run.target) == [])
            try await blocking { try run.remove("clone") }
            #expect(!run.exists(run.target))
        }
    }

    /// At each level a directory to go on with, another with nothing in it, and a file.
    private func makeComb(in path: String, depth: Int) throws {
        var current = FileDescriptor(owning: try systemCall("open") { wvs_open(path, O_RDONLY | O_DIRECTORY, 0) })
        for _ in 0..<depth {
            let raw = current.raw
            try systemCall("mkdirat") { mkdirat(raw, "branch", 0o755) }
            try systemCall("mkdirat") { mkdirat(raw, "down", 0o755) }
            _ = FileDescriptor(owning: try systemCall("openat") { wvs_openat(raw, "file", O_WRONLY | O_CREAT, 0o644) })
            current = FileDescriptor(
                owning: try systemCall("openat") { wvs_openat(raw, "down", O_RDONLY | O_DIRECTORY, 0) })
        }
    }

    private func combDepth(in path: String) throws -> Int {
        var current = FileDescriptor(owning: try systemCall("open") { wvs_open(path, O_RDONLY | O_DIRECTORY, 0) })
        var depth = 0
        while true {
            let raw = current.raw
            let next = wvs_openat(raw, "down", O_RDONLY | O_DIRECTORY, 0)
            guard next >= 0 else { return depth }
            current = FileDescriptor(owning: next)
            depth += 1
        }
    }
}
