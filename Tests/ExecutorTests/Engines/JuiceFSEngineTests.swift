import ExecutorRPC
import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// Against a stand-in for the command, over a folder that can share blocks where the test needs that.
@Suite("Clones by juicefs")
struct JuiceFSEngineTests {
    private func withRun(
        _ settings: [String: String] = [:], threads: Int = 0,
        _ body: @escaping @Sendable (CloneRun, JuiceFSStandIn) throws -> Void
    ) async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let standIn = try JuiceFSStandIn(fileSystem.path, settings: settings, threads: threads)
            try await blocking { try body(CloneRun("\(fileSystem.path)/run", engine: standIn.engine), standIn) }
        }
    }

    @Test("the command gets what it documents, and tells how far it is")
    func command() async throws {
        try await withRun(threads: 7) { run, standIn in
            try run.makeFiles(10, in: run.source)
            #expect(try run.clone() == CloneSummary(entries: 10, bytes: 10_000))
            #expect(run.progress.entries == 10)
            try run.remove("clone")
            #expect(
                try standIn.log == [
                    "clone --help", "clone -p --threads 7 \(run.source) \(run.target)", "rmr \(run.target)",
                ])
            #expect(!run.exists(run.target))
        }
    }

    @Test("a release without --threads is not given it")
    func withoutThreads() async throws {
        try await withRun(["VERSION": "1.1.0+2023-09-04.08c4ae62"], threads: 7) { run, standIn in
            try run.clone()
            #expect(try standIn.log.last == "clone -p \(run.source) \(run.target)")
        }
    }

    @Test("names of one file are one file again, and folders keep their times")
    func hardLinks() async throws {
        try await withRun { run, _ in
            try run.makeDirectory("\(run.source)/a")
            try run.makeDirectory("\(run.source)/a/b")
            try run.makeFile("\(run.source)/one", [1, 2])
            for name in ["two", "a/three", "a/b/four"] {
                try systemCall("link") { link("\(run.source)/one", "\(run.source)/\(name)") }
            }
            for folder in ["", "a", "a/b"] {
                let times = [timespec(tv_sec: 1, tv_nsec: 2), timespec(tv_sec: 3, tv_nsec: 4)]
                try systemCall("utimensat") { utimensat(AT_FDCWD, "\(run.source)/\(folder)", times, 0) }
            }
            #expect(try run.clone() == CloneSummary(entries: 6, bytes: 2))
            #expect(try TreeComparison.differences(run.source, run.target) == [])
        }
    }

    @Test("a clone that lacks something fails, although the command reports success, and is removed")
    func partial() async throws {
        try await withRun(["MODE": "partial"]) { run, _ in
            try run.makeFiles(4, in: run.source, size: 10)
            #expect(
                throws: CloneIncomplete(
                    expected: CloneSummary(entries: 4, bytes: 40), found: CloneSummary(entries: 3, bytes: 30))
            ) { try run.clone() }
            #expect(!run.exists(run.target))
        }
    }

    @Test("a command that fails is quoted, and nothing is left")
    func failure() async throws {
        try await withRun(["MODE": "fail"]) { run, standIn in
            try run.makeFiles(4, in: run.source)
            let failure = #expect(throws: JuiceFSFailed.self) { try run.clone() }
            #expect(failure?.command == "clone" && failure?.code == 1)
            #expect(failure?.complaint.contains("<FATAL>: clone failed: input/output error") == true)
            #expect(!run.exists(run.target))
            // rmr fails as well in this mode; entry by entry it goes.
            try run.remove("source")
            #expect(try run.directory.names() == [])
            #expect(try standIn.log.last == "rmr \(run.source)")
        }
    }

    @Test("a command that somebody kills in its middle fails the clone with the signal, and nothing is left")
    func killed() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let standIn = try JuiceFSStandIn(fileSystem.path, settings: ["MODE": "killed"])
            let run = try CloneRun("\(fileSystem.path)/run", engine: standIn.engine)
            try run.makeFiles(600, in: run.source)
            let failure = await #expect(throws: JuiceFSFailed.self) { _ = try await blocking { try run.clone() } }
            #expect(failure?.description == "juicefs clone was ended by signal 9")
            #expect(!run.exists(run.target))
            let root = try Directory(path: fileSystem.path)
            try await eventually("the mount's process has cleaned up", within: .seconds(30)) {
                try !root.names().contains { $0.hasPrefix(".cloning") }
            }
        }
    }

    @Test("cancelling kills the command, and the file system gives the clone up")
    func cancellation() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let standIn = try JuiceFSStandIn(fileSystem.path, settings: ["MODE": "slow"])
            let run = try CloneRun("\(fileSystem.path)/run", engine: standIn.engine)
            try run.makeFiles(600, in: run.source)
            let clone = blockingTask { try run.clone() }
            try await eventually("the clone is under way") { run.progress.entries > 0 }
            let start = MonotonicTime.now
            run.cancellation.cancel()
            await #expect(throws: CancellationError.self) { try await clone.value }
            // It would have gone on for a minute.
            #expect(MonotonicTime.now - start < .seconds(30))
            #expect(!run.exists(run.target))
            let root = try Directory(path: fileSystem.path)
            try await eventually("the mount's process has cleaned up") {
                try !root.names().contains { $0.hasPrefix(".cloning") }
            }
        }
    }

    @Test("a command that is absent, too old or not juicefs is named")
    func unusableCommands() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let mount = try Directory(path: fileSystem.path)
            let old = try JuiceFSStandIn(fileSystem.path, settings: ["VERSION": "0.14.2 (2021-09-05 03f36d6)"])
            #expect(throws: JuiceFSUnusable("\(fileSystem.path)/.juicefs is release 0.14.2; clone came with 1.1")) {
                try old.engine.probe(mount: mount.raw)
            }
            let absent = JuiceFSEngine(command: JuiceFSCommand("/nowhere/juicefs")) { _ in
                JuiceFSMount(path: fileSystem.path)
            }
            #expect(
                throws: JuiceFSUnusable(
                    "there is no program /nowhere/juicefs; it is part of JuiceFS 1.1 and newer")
            ) { try absent.probe(mount: mount.raw) }
            let other = JuiceFSEngine(command: JuiceFSCommand("echo")) { _ in JuiceFSMount(path: fileSystem.path) }
            #expect(throws: JuiceFSUnusable.self) { try other.probe(mount: mount.raw) }
        }
    }

    @Test("a path that is no JuiceFS is refused with what it is", arguments: ["/tmp", "/proc", "/dev/shm"])
    func noJuiceFS(_ path: String) throws {
        let mount = try Directory(path: path)
        #expect(throws: JuiceFSUnusable("this is no JuiceFS")) { try JuiceFSEngine().probe(mount: mount.raw) }
        #expect(throws: EngineUnusable.self) { try EngineChoice.juicefs.engine(mount: mount.raw, threads: 0) }
    }

    @Test(
        "mounts are refused by what their .config says",
        arguments: [
            (nil, "has no .config"), ("{", "can not be understood"),
            (#"{"Chunk": {"Writeback": false}, "Version": "1.0.4+2023-04-06.f1c475d9"}"#, "clone came with 1.1"),
            (#"{"Chunk": {}, "Version": "1.2.0"}"#, "can not be understood"),
        ])
    func mounts(_ config: String?, _ reason: String) async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let standIn = try JuiceFSStandIn(fileSystem.path, config: config)
            let mount = try Directory(path: fileSystem.path)
            let refusal = #expect(throws: JuiceFSUnusable.self) { try standIn.engine.probe(mount: mount.raw) }
            #expect(refusal?.description.contains(reason) == true, "\(refusal?.description ?? "")")
        }
    }

    @Test("a mount with --writeback is refused for good: no other engine is tried")
    func writeback() async throws {
        try await ScratchFileSystem.with(.folder) { fileSystem in
            let standIn = try JuiceFSStandIn(
                fileSystem.path, config: #"{"Chunk": {"Writeback": true}, "Version": "1.2.0"}"#)
            let mount = try Directory(path: fileSystem.path)
            let refusal = #expect(throws: EngineRefused.self) {
                try EngineChoice.auto.engine(mount: mount.raw, engines: [standIn.engine, TreeWalkEngine.copy()])
            }
            #expect(refusal?.description.contains("--writeback") == true)
            // Whatever engine was asked for.
            #expect(throws: EngineRefused.self) {
                try JuiceFSMount.refuseWriteback(holding: mount.raw) { _ in JuiceFSMount(path: fileSystem.path) }
            }
            #expect(throws: Never.self) {
                try JuiceFSMount.refuseWriteback(holding: mount.raw) { _ in throw JuiceFSUnusable("no JuiceFS") }
            }
            // What can not be seen for the moment may be one.
            #expect(throws: SystemError.self) {
                try JuiceFSMount.refuseWriteback(holding: mount.raw) { _ in throw SystemError("open", errno: EMFILE) }
            }
        }
    }

    @Test("progress is read from a bar that comes in pieces and is drawn over and over")
    func bar() {
        var bar = JuiceFSBar("Cloning entries: ")
        #expect(bar.read(Array("\u{1b}[KCloning ent".utf8)) == nil)
        #expect(bar.read(Array("ries: 1".utf8)) == nil)
        #expect(bar.read(Array("2/345 [=>--]  3.1/s\rCloning entries: 13/345 [".utf8)) == 13)
        #expect(bar.read(Array(repeating: UInt8(ascii: "="), count: 5000)) == nil)
        #expect(bar.read(Array("]\r\u{1b}[A Cloning entries:    345/345 [====]\n".utf8)) == 345)
        var removing = JuiceFSBar("Removing entries: ")
        #expect(removing.read(Array("Removing entries: 77  12.0/s".utf8)) == 77)
    }

    @Test(
        "releases are told apart",
        arguments: [
            ("1.1.0+2023-09-04.08c4ae62", true), ("1.4.0-dev+2026-01-01.abc", true), ("2.0", true), ("1.10.1", true),
            ("1.0.4+2023-04-06.f1c475d9", false), ("0.16-dev", false),
        ])
    func releases(_ text: String, _ clones: Bool) throws {
        #expect(try (#require(JuiceFSCommand.Release(text)) >= .first) == clones)
    }
}
