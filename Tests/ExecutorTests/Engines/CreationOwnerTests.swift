private import CShims
import Foundation
import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite("Files of a clone come into being with their owner", .enabled(if: geteuid() == 0))
struct CreationOwnerTests {
    private static let agent = FileOwner(uid: 1000, gid: 1001)

    @Test("and stay the executor's where a quota forbids it")
    func quota() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let owners = try await onThread {
                let directory = try Directory(path: fileSystem.path)
                let owner = CreationOwner(isLocal: true)
                owner.become(Self.agent)
                let first = try owner.creating { try Self.make("first", in: directory, owner) }
                var attempts = 0
                let second = try owner.creating {
                    attempts += 1
                    if attempts == 1 { throw SystemError("openat", errno: EDQUOT) }
                    return try Self.make("second", in: directory, owner)
                }
                // Once it was refused nothing is tried any more.
                owner.become(Self.agent)
                return [first, second, try Self.make("third", in: directory, owner)]
            }
            #expect(owners == [Self.agent, .own, .own])
            // Each change takes that away for a moment, also those of other tests.
            try await eventually("the process may dump core") { wvs_is_dumpable() == 1 }
        }
    }

    @Test("whoever the thread that starts another acts as")
    func inherited() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let owner = try await onThread {
                CreationOwner(isLocal: true).become(Self.agent)
                let directory = try Directory(path: fileSystem.path)
                let inner = Slot<Result<FileOwner?, any Error>>()
                try WorkerThread(name: "inner") {
                    inner.value = Result { try Self.make("file", in: directory, CreationOwner(isLocal: true)) }
                }.join()
                return try inner.value?.get()
            }
            #expect(owner == .own)
        }
    }

    /// What follows a clone may have threads started, which are born as the one that starts them: later work would be done as that owner.
    @Test("and nobody else acts as that owner: who is told of the progress is told as the executor")
    func followed() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.copy())
            try run.makeFiles(5000, in: run.source, size: 1)
            for name in try Directory(path: run.source).names() {
                try systemCall("chown", name) { chown("\(run.source)/\(name)", 1000, 1001) }
            }
            try systemCall("chown") { chown(run.source, 1000, 1001) }
            let owners = Mutex<[String]>([])
            let progress = CloneProgress {
                let owner = Self.ownerOfThread()
                owners.withLock { $0.append(owner) }
            }
            // A fast machine may be done before there is anything to tell.
            try await eventually("somebody was told") {
                try await blocking {
                    _ = try run.engine.clone(
                        from: run.directory.raw, "source", to: run.directory.raw, "clone", progress: progress,
                        cancellation: run.cancellation)
                    try run.remove("clone")
                }
                return owners.withLock { !$0.isEmpty }
            }
            #expect(owners.withLock { Set($0) } == [Self.ownerOfThread()])
        }
    }

    /// The calling thread's, as /proc says it: real, effective, saved, and that of files.
    private static func ownerOfThread() -> String {
        do {
            return try String(contentsOfFile: "/proc/thread-self/status", encoding: .utf8)
                .split(separator: "\n").filter { $0.hasPrefix("Uid:") || $0.hasPrefix("Gid:") }.joined(separator: " ")
        } catch {
            return "\(error)"
        }
    }

    @Test("or get it afterwards, where the mount gives them the group of their directory")
    func mountWithRules() async throws {
        try await ScratchFileSystem.with(.xfs, mounted: ["grpid"]) { fileSystem in
            try await blocking {
                let run = try CloneRun("\(fileSystem.path)/run", engine: TreeWalkEngine.reflink())
                for index in 0..<20 {
                    let folder = "\(run.source)/\(index)"
                    try run.makeDirectory(folder)
                    try run.makeFiles(4, in: folder)
                    for path in [folder] + (0..<4).map({ "\(folder)/file\($0)" }) {
                        try systemCall("chown", path) { chown(path, 1000, UInt32(1000 + index % 3)) }
                    }
                }
                try run.clone()
                #expect(try TreeComparison.differences(run.source, run.target) == [])
            }
        }
    }

    /// - Returns: who owns it, as it was proved; checked.
    private static func make(_ name: String, in directory: Directory, _ owner: CreationOwner) throws -> FileOwner? {
        try systemCall("mkdirat", name) { mkdirat(directory.raw, name, 0o700) }
        let proved = owner.prove(by: name, in: directory.raw)
        var status = stat()
        try systemCall("fstatat", name) { fstatat(directory.raw, name, &status, 0) }
        #expect(proved == FileOwner(status))
        return proved
    }

    /// A thread that no other test runs on.
    private func onThread<Value: Sendable>(_ body: @escaping @Sendable () throws -> Value) async throws -> Value {
        try await blocking {
            let slot = Slot<Result<Value, any Error>>()
            try WorkerThread(name: "owner") { slot.value = Result(catching: body) }.join()
            let result = try #require(slot.value)
            return try result.get()
        }
    }
}

/// What a thread leaves to the one that joins it.
private final class Slot<Value: Sendable>: @unchecked Sendable {
    // Unchecked: written before the thread ends, read after that.
    var value: Value?
}
