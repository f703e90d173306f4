private import CShims
private import Glibc
import Runtime
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// Somebody swaps directories for links while we walk.
@Suite("Trees under attack")
struct AdversaryTests {
    @Test("a clone never contains what lies outside the tree")
    func clone() async throws {
        try await ScratchFileSystem.with(ScratchFileSystem.canMount ? .tmpfs : .folder) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy(threads: 2))
            let swapper = try Swapper(run)
            try swapper.prepareTree()
            let swapping = swapper.start()
            var (complete, refused) = (0, 0)
            for _ in 0..<60 {
                do {
                    _ = try await blocking { try run.clone() }
                    complete += 1
                } catch is SystemError, is TreeChanged {
                    refused += 1
                }
                let stolen = try await blocking { try swapper.secrets(below: run.target) }
                #expect(stolen == 0)
                if run.exists(run.target) { try await blocking { try run.remove("clone") } }
            }
            try await swapper.stop(swapping)
            // Otherwise nothing was put to the test.
            #expect(refused > 0, "\(complete) complete, \(refused) refused")
            #expect(try swapper.secrets(below: swapper.outside) == Swapper.secretCount)
        }
    }

    @Test("a removal never reaches what lies outside the tree")
    func removal() async throws {
        try await ScratchFileSystem.with(ScratchFileSystem.canMount ? .tmpfs : .folder) { fileSystem in
            let run = try CloneRun(fileSystem.path, engine: TreeWalkEngine.copy(threads: 2))
            let swapper = try Swapper(run)
            for _ in 0..<25 {
                try swapper.prepareTree()
                let swapping = swapper.start()
                do {
                    try await blocking { try run.remove("source") }
                } catch let error as SystemError where error.errno == ENOTEMPTY {
                    // Swapped back and forth for too long.
                }
                try await swapper.stop(swapping)
                try await blocking { try run.remove("source") }
                #expect(!run.exists(run.source))
                #expect(try swapper.secrets(below: swapper.outside) == Swapper.secretCount)
            }
        }
    }
}

/// Exchanges directories of a tree with links to a folder outside it, as fast as it can.
private final class Swapper: Sendable {
    static let secretCount = 20
    private static let directories = 40

    let outside: String
    private let run: CloneRun
    private let isOver = Mutex(false)

    init(_ run: CloneRun) throws {
        self.run = run
        outside = "\(run.path)/outside"
        try run.makeDirectory(outside)
        for index in 0..<Self.secretCount { try run.makeFile("\(outside)/secret\(index)", [1]) }
    }

    func prepareTree() throws {
        if !run.exists(run.source) { try run.makeDirectory(run.source) }
        for index in 0..<Self.directories {
            let directory = "\(run.source)/d\(index)"
            try run.makeDirectory(directory)
            try run.makeFiles(5, in: directory, size: 10)
            try systemCall("symlink") { symlink("../outside", "\(run.source)/link\(index)") }
        }
    }

    func start() -> Task<Void, any Error> {
        isOver.withLock { $0 = false }
        return blockingTask { [self] in
            let exchange: UInt32 = 2  // RENAME_EXCHANGE, linux/fs.h
            while !isOver.withLock({ $0 }) {
                for index in 0..<Self.directories {
                    // Either may be gone by now.
                    _ = wvs_renameat2(
                        AT_FDCWD, "\(run.source)/d\(index)", AT_FDCWD, "\(run.source)/link\(index)", exchange)
                }
            }
        }
    }

    func stop(_ task: Task<Void, any Error>) async throws {
        isOver.withLock { $0 = true }
        try await task.value
    }

    /// Counts files that came from outside, without following links.
    func secrets(below path: String) throws -> Int {
        guard run.exists(path) else { return 0 }
        var count = 0
        for name in try Directory(path: path).names() {
            if name.hasPrefix("secret") { count += 1 }
            var status = FileStatus()
            try systemCall("lstat", path) { lstat("\(path)/\(name)", &status) }
            if status.st_mode & S_IFMT == S_IFDIR { count += try secrets(below: "\(path)/\(name)") }
        }
        return count
    }
}
