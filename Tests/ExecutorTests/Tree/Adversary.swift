private import CShims
private import Glibc
import RuntimeCore
import TestSupport

@testable import Executor

/// Somebody who changes a tree while it is walked, and a folder outside it that must not be touched.
final class Adversary: Sendable {
    static let secretCount = 5
    private static let directories = 10

    let outside: String
    private let run: CloneRun
    private let isOver = Mutex(false)
    private let moves = Mutex(0)
    /// Held while something is out of its place, so that nobody prepares a tree through it.
    private let turn = Mutex(())

    init(_ run: CloneRun) throws {
        self.run = run
        outside = "\(run.path)/outside"
        try run.makeDirectory(outside)
        try run.makeDirectory("\(outside)/folder")
        for index in 0..<Self.secretCount {
            try run.makeFile("\(outside)/secret\(index)", [1])
            try run.makeFile("\(outside)/folder/secret\(index)", [2])
        }
    }

    /// How often something was changed.
    var count: Int { moves.withLock { $0 } }

    /// Directories, each with a link beside it to change places with.
    func prepare(_ tree: String) throws { try turn.withLock { _ in try makeTree(tree) } }

    private func makeTree(_ tree: String) throws {
        if !run.exists(tree) { try run.makeSource() }
        let way = tree == run.source ? "../outside" : outside
        for index in 0..<Self.directories {
            let directory = "\(tree)/d\(index)"
            try run.makeDirectory(directory)
            try run.makeDirectory("\(directory)/folder")
            try run.makeFiles(2, in: directory, size: 10)
            try systemCall("symlink") { symlink(way, "\(tree)/link\(index)") }
        }
    }

    /// Exchanges directories with links to the folder outside, as fast as it can.
    func swap(in tree: String) -> Task<Void, any Error> {
        repeating { index in
            let exchange: UInt32 = 2  // RENAME_EXCHANGE, linux/fs.h
            // Either may be gone by now.
            return wvs_renameat2(AT_FDCWD, "\(tree)/d\(index)", AT_FDCWD, "\(tree)/link\(index)", exchange) == 0
        }
    }

    /// Mounts the folder outside over directories, and takes it away again.
    func mount(in tree: String) -> Task<Void, any Error> {
        repeating { [outside] index in
            let place = "\(tree)/d\(index)"
            guard Glibc.mount(outside, place, nil, UInt(MS_BIND), nil) == 0 else { return false }
            return umount2(place, CInt(MNT_DETACH)) == 0
        }
    }

    private func repeating(_ body: @escaping @Sendable (Int) -> Bool) -> Task<Void, any Error> {
        isOver.withLock { $0 = false }
        return blockingTask { [self] in
            while !isOver.withLock({ $0 }) {
                for index in 0..<Self.directories where turn.withLock({ _ in body(index) }) {
                    moves.withLock { $0 += 1 }
                }
                sched_yield()
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
            if try status("\(path)/\(name)").st_mode & S_IFMT == S_IFDIR {
                count += try secrets(below: "\(path)/\(name)")
            }
        }
        return count
    }

    /// All that is outside, with what any change of content, mode, owner, names or links would leave behind.
    func canary() throws -> [String: [Int]] {
        var found: [String: [Int]] = [:]
        for folder in [outside, "\(outside)/folder"] {
            for name in try ["."] + Directory(path: folder).names() {
                let status = try status("\(folder)/\(name)")
                found["\(folder)/\(name)"] = [
                    status.st_ctim.tv_sec, status.st_ctim.tv_nsec, Int(status.st_nlink), Int(status.st_size),
                ]
            }
        }
        return found
    }

    private func status(_ path: String) throws -> FileStatus {
        var status = FileStatus()
        try systemCall("lstat", path) { lstat(path, &status) }
        return status
    }
}
