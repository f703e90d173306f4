import Foundation
import Glibc
import Quiesce
import RuntimeCore
import TestSupport

/// A workspace on a volume that is mounted twice: the agent and its sidecar use one mount, the executor's side of the protocol, in
/// the test, the other.
struct RemoteWorkspace {
    let volume: JuiceFSVolume
    /// As the executor sees it.
    let executor: TestWorkspace
    /// The workspace's folder as the sidecar and the agent see it.
    let path: String
    /// The live tree as the agent sees it.
    var live: String { "\(path)/live/one" }
    /// What is not on the volume: the sidecar's state file, the agent's word on what it has written.
    let elsewhere: String

    static func with(_ body: (RemoteWorkspace) async throws -> Void) async throws {
        try await ScratchFileSystem.with(.folder) { folder in
            try await JuiceFSVolume.with { volume in
                let executor = try TestWorkspace(in: volume.mounts[1].path)
                let path = "\(volume.mounts[0].path)/\(executor.wsid)"
                try await body(
                    RemoteWorkspace(volume: volume, executor: executor, path: path, elsewhere: folder.path))
            }
        }
    }

    func sandbox(_ command: [String], options: [String] = [], environment: [String: String] = [:]) async throws
        -> Sandbox
    {
        try await Sandbox(path, state: "\(elsewhere)/state", command, options: options, environment: environment)
    }

    /// A program of `sidecar/Tests/Agents`.
    static func agent(_ name: String) -> String {
        URL(filePath: #filePath).appending(path: "../../../Agents/\(name)").standardized.path
    }

    /// The files of the live tree on the executor's mount, folder by folder as an engine clones them.
    func clone(_ folder: String = "") throws -> [String: [UInt8]] {
        let path = executor.live + (folder.isEmpty ? "" : "/" + folder)
        guard let stream = opendir(path) else { throw SystemError("opendir", path) }
        defer { closedir(stream) }
        var entries: [(name: String, kind: UInt8)] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            if name != ".", name != ".." { entries.append((name, entry.pointee.d_type)) }
        }
        var result: [String: [UInt8]] = [:]
        for (name, kind) in entries {
            let relative = folder.isEmpty ? name : "\(folder)/\(name)"
            if kind == UInt8(DT_DIR) { result.merge(try clone(relative)) { first, _ in first } }
            if kind == UInt8(DT_REG) { result[relative] = try Self.content(of: "\(path)/\(name)") }
        }
        return result
    }

    private static func content(of path: String) throws -> [UInt8] {
        let file = FileDescriptor(owning: try systemCall("open", path) { open(path, O_RDONLY | O_CLOEXEC) })
        let raw = file.raw
        var bytes: [UInt8] = []
        var buffer = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = try systemCall("read", path, { read(raw, &buffer, buffer.count) }), count > 0 {
            bytes += buffer[..<count]
        }
        return bytes
    }
}

/// `buffering_agent.py`: what it says to have written, held against a clone.
final class BufferingAgent: Sendable {
    /// In the order of its counters.
    static let ways = [
        "plain", "appended", "secret", "renamed", "linked", "mapped", "threaded", "elsewhere", "orphaned",
    ]
    private static let recordSize = 16

    let sandbox: Sandbox
    private let truth: FileDescriptor
    /// The records from the first on, as many as were needed so far.
    private let expected = Mutex<[UInt8]>([])

    init(
        in workspace: RemoteWorkspace, many: Int = 0, options: [String] = [], environment: [String: String] = [:]
    ) async throws {
        let path = "\(workspace.elsewhere)/truth"
        truth = FileDescriptor(
            owning: try systemCall("open", path) { open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600) })
        let raw = truth.raw
        try systemCall("ftruncate", path) { ftruncate(raw, 4096) }
        // Not what is measured: the tests take many freezes.
        let options = ["--poll-interval", "10ms"] + options
        let program = ["/usr/bin/python3", RemoteWorkspace.agent("buffering_agent.py"), workspace.live, path]
        sandbox = try await workspace.sandbox(
            program + (many > 0 ? ["--many", String(many)] : []), options: options, environment: environment)
        let isReady = await eventually(within: .seconds(60)) {
            let counters = self.counters
            return counters[..<Self.ways.count].allSatisfy { $0 > 0 } && counters[Self.ways.count] == many
        }
        guard isReady else {
            throw ProgramError(message: "the agent writes only \(counters): \(sandbox.sidecar.tail)")
        }
    }

    /// Completed records by way, and behind them the files of the crowd. Stands still while the agent is frozen.
    var counters: [UInt64] {
        var values = [UInt64](repeating: 0, count: Self.ways.count + 1)
        let raw = truth.raw
        _ = values.withUnsafeMutableBytes { pread(raw, $0.baseAddress, $0.count, 0) }
        return values
    }

    /// What is missing in a clone, or wrong. One record more than the agent has counted is right: it was frozen before it counted.
    func faults(in clone: [String: [UInt8]], counters: [UInt64]) -> [String] {
        var faults: [String] = []
        for (way, counted) in zip(Self.ways, counters) {
            guard counted > 0 else {
                faults.append("\(way) was not counted")
                continue
            }
            let content = clone[way] ?? []
            if ["mapped", "orphaned"].contains(way) {
                let possible = [Self.record(counted - 1), Self.record(counted)]
                if !possible.contains(Array(content.prefix(Self.recordSize))) {
                    faults.append("\(way) lacks \(counted)")
                }
                continue
            }
            let records = content.count / Self.recordSize
            if UInt64(records) < counted {
                faults.append("\(way) has \(records) of \(counted) records")
            } else if UInt64(records) > counted + 1 || content != self.records(records) {
                faults.append("\(way) is damaged")
            }
        }
        if clone["sealed"].map({ $0.starts(with: "sealed".utf8) }) != true { faults.append("sealed is empty") }
        return faults
    }

    private func records(_ count: Int) -> [UInt8] {
        expected.withLock { expected in
            while expected.count < count * Self.recordSize {
                expected += Self.record(UInt64(expected.count / Self.recordSize))
            }
            return Array(expected[..<(count * Self.recordSize)])
        }
    }

    static func record(_ number: UInt64) -> [UInt8] {
        let digits = String(number)
        return Array((String(repeating: "0", count: 15 - digits.utf8.count) + digits + "\n").utf8)
    }
}
