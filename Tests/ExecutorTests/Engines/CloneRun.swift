private import CShims
private import Glibc
import Runtime
import RuntimeCore
import TestSupport

@testable import Executor

/// A folder, made if need be, with a source tree `source`, to be cloned as `clone`.
final class CloneRun: Sendable {
    let path: String
    let directory: Directory
    let engine: any CloneEngine
    let cancellation: Cancellation
    let progress = CloneProgress()

    var source: String { "\(path)/source" }
    var target: String { "\(path)/clone" }

    private let plain: Bool

    /// - Parameter plain: whether the source is an ordinary directory, whatever the engine would have made.
    init(_ path: String, engine: any CloneEngine, plain: Bool = false) throws {
        self.path = path
        self.engine = engine
        cancellation = try Cancellation()
        if mkdir(path, 0o755) != 0, errno != EEXIST { throw SystemError("mkdir", path) }
        directory = try Directory(path: path)
        self.plain = plain
        try makeSource()
    }

    /// An empty one, where there is none.
    func makeSource() throws {
        if plain { return try makeDirectory(source) }
        try engine.makeTree(in: directory.raw, "source")
        try directory.setAccess("source", mode: 0o755, owner: .own)
    }

    @discardableResult
    func clone(
        _ source: String = "source", as purpose: ClonePurpose = .live, _ target: String = "clone"
    ) throws -> CloneSummary {
        try engine.clone(
            from: directory.raw, source, to: directory.raw, target, as: purpose, progress: progress,
            cancellation: cancellation)
    }

    func remove(_ name: String) throws {
        try engine.remove(in: directory.raw, name, progress: progress, cancellation: cancellation)
    }

    func makeFiles(_ count: Int, in folder: String, size: Int = 1000) throws {
        let content = [UInt8](repeating: 7, count: size)
        for index in 0..<count { try makeFile("\(folder)/file\(index)", content) }
    }

    func makeFile(_ path: String, _ content: [UInt8]) throws {
        let file = FileDescriptor(
            owning: try systemCall("open", path) { wvs_open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644) })
        let written = try systemCall("write", path) { write(file.raw, content, content.count) }
        if written != content.count { throw SystemError("write", path, errno: ENOSPC) }
    }

    func content(_ path: String) throws -> [UInt8] {
        let file = FileDescriptor(owning: try systemCall("open", path) { wvs_open(path, O_RDONLY | O_CLOEXEC, 0) })
        var buffer = [UInt8](repeating: 0, count: 65_536)
        return Array(try buffer[..<systemCall("read", path) { read(file.raw, &buffer, buffer.count) }])
    }

    /// All data, so that a copy takes its time.
    func makeHugeFile(_ path: String, megabytes: Int) throws {
        try makeFile(path, [])
        let file = FileDescriptor(owning: try systemCall("open", path) { wvs_open(path, O_WRONLY | O_CLOEXEC, 0) })
        let block = [UInt8](repeating: 3, count: 1 << 20)
        for _ in 0..<megabytes { try systemCall("write", path) { write(file.raw, block, block.count) } }
    }

    func makeDirectory(_ path: String) throws { try systemCall("mkdir", path) { mkdir(path, 0o755) } }

    func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }
}

/// Runs blocking work of a test on a thread of its own.
func blocking<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
    try await testThreads.run(body)
}

/// The same, going on meanwhile.
func blockingTask<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) -> Task<Result, any Error> {
    Task { try await blocking(body) }
}

private let testThreads = BlockingPool(label: "engine tests", width: 8)
