import ExecutorRPC
import Foundation
import Glibc
import Runtime
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// Whether the executor works on the right volume, and on no other.
@Suite struct VolumeTests {
    private let snapshot = Operation.snapshotCreate(snapshotID: Ids.snapshot, message: "")
    private let creation = Operation.initWorkspace(liveID: Ids.live, owner: nil)

    /// Runs the watch of a rig's volume beside `body`.
    private func watching(_ rig: Rig, _ body: () async throws -> Void) async throws {
        let running = Task { try await rig.recovery.run() }
        try await body()
        rig.recovery.shutdown()
        try await running.value
    }

    private func awaitUnready(_ rig: Rig, _ reason: String) async throws {
        try await eventually("it is not ready: \(reason)", within: .seconds(30)) {
            rig.recovery.obstacle?.contains(reason) == true
        }
    }

    private func awaitReady(_ rig: Rig) async throws {
        try await eventually("it is ready", within: .seconds(30)) { rig.recovery.obstacle == nil }
    }

    @Test func aFirstStartNamesTheVolumeAndALaterOneKnowsItAgain() async throws {
        let scratch = try ScratchMount()
        let first = try await Rig(on: scratch)
        let name = try String(contentsOfFile: "\(scratch.path)/.wvs-volume", encoding: .utf8)
        #expect(UUIDv7.isValid(name.trimmingCharacters(in: .newlines)) && first.recovery.obstacle == nil)
        let second = try await Rig(on: scratch)
        #expect(second.recovery.obstacle == nil)
        #expect(try String(contentsOfFile: "\(scratch.path)/.wvs-volume", encoding: .utf8) == name)
    }

    @Test func aFolderThatMayBeAnEmptyMountPointIsNotTakenForAVolumeUnlessThatIsAskedFor() async throws {
        let scratch = try ScratchMount()
        let unready = try await Rig(on: scratch, settings: ["EXECUTOR_VOLUME": "auto"])
        #expect(unready.recovery.obstacle?.contains("EXECUTOR_VOLUME=any") == true)
        #expect(try await unready.execute(creation, fence: 1).failure?.retryable == true)
        #expect(try scratch.tree().isEmpty, "nothing is made where the volume is missing")
        #expect(try await Rig(on: scratch, settings: ["EXECUTOR_VOLUME": "any"]).recovery.obstacle == nil)
        #expect(try await Rig(on: scratch, settings: ["EXECUTOR_VOLUME": "auto"]).recovery.obstacle == nil)
    }

    @Test(.enabled(if: ScratchFileSystem.canMount, "mounting takes root"))
    func aMountPointIsTakenAndMissedOnceItIsNotMounted() async throws {
        try await ScratchFileSystem.with(.tmpfs, megabytes: 16) { fileSystem in
            let scratch = ScratchMount(at: fileSystem.path)
            let first = try await Rig(on: scratch, settings: ["EXECUTOR_VOLUME": "auto"])
            #expect(try await first.execute(creation, fence: 1).failure == nil)
            first.trash.drain()
            try await unmount(fileSystem.path)
            let second = try await Rig(on: scratch, settings: ["EXECUTOR_VOLUME": "auto"])
            #expect(second.recovery.obstacle?.contains("is no mount point") == true)
            #expect(try await second.execute(creation, fence: 2).failure != nil)
            #expect(try scratch.tree().isEmpty)
            try await Command.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", fileSystem.path])
        }
    }

    @Test func aFolderIsNotEnoughWhereAMountPointIsAskedFor() async throws {
        let rig = try await Rig(settings: ["EXECUTOR_VOLUME": "mount"])
        #expect(rig.recovery.obstacle?.contains("is no mount point") == true)
        let failure = try await rig.execute(creation, fence: 1).failure
        #expect(failure?.message.contains("is no mount point") == true && failure?.retryable == true)
        #expect(try rig.scratch.tree().isEmpty, "nothing is made where the volume is missing")
    }

    @Test(arguments: [nil, "other\n", "right\n", "right"] as [String?])
    func onlyTheNamedVolumeWillDo(marker: String?) async throws {
        let scratch = try ScratchMount()
        if let marker { try scratch.write(marker, to: ".wvs-volume") }
        let rig = try await Rig(on: scratch, settings: ["EXECUTOR_VOLUME": "right"])
        let outcome = try await rig.execute(creation, fence: 1)
        let isRight = marker?.hasPrefix("right") == true
        #expect((outcome.failure == nil) == isRight && (rig.recovery.obstacle == nil) == isRight)
        if !isRight { #expect(try scratch.tree() == (marker == nil ? [] : [".wvs-volume"])) }
    }

    @Test(arguments: ["fifo", "link", "folder", "huge", "words"])
    func whatIsNoNameOfAVolumeIsNamedAsSuch(kind: String) async throws {
        let scratch = try ScratchMount()
        let path = "\(scratch.path)/.wvs-volume"
        switch kind {
        case "fifo": #expect(mkfifo(path, 0o600) == 0)
        case "link": #expect(symlink("/etc/hostname", path) == 0)
        case "folder": #expect(mkdir(path, 0o700) == 0)
        case "huge": try scratch.write(String(repeating: "0", count: 70_000), to: ".wvs-volume")
        default: try scratch.write("two words\n", to: ".wvs-volume")
        }
        #expect(try await Rig(on: scratch).recovery.obstacle?.contains(".wvs-volume") == true)
    }

    @Test func anExecutorWithoutItsMountIsNotReadyAndBecomesReadyOnceItIsThere() async throws {
        let scratch = try ScratchMount()
        let later = ScratchMount(at: "\(scratch.path)/later")
        let rig = try await Rig(on: later)
        try await watching(rig) {
            try await awaitUnready(rig, "later")
            #expect(throws: TaskFailure.self) { try rig.recovery.checkReady() }
            _ = try scratch.directory("later")
            try await awaitReady(rig)
            #expect(try await rig.execute(creation, fence: 1).failure == nil)
            try FileManager.default.removeItem(atPath: later.path)
            // As an empty mount point would be: a folder, and nothing in it.
            _ = try scratch.directory("later")
            try await awaitUnready(rig, "later has no .wvs-volume")
            #expect(try later.tree().isEmpty)
        }
    }

    @Test(.enabled(if: ScratchFileSystem.canMount, "mounting takes root"))
    func aVolumeThatIsUnmountedReplacedAndMountedAgainIsNeverMistaken() async throws {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let path = fileSystem.path
            let scratch = ScratchMount(at: path)
            let rig = try await Rig(on: scratch, settings: ["EXECUTOR_VOLUME": "mount"])
            try await rig.makeWorkspace()
            _ = try scratch.directory("ws-1/live/.trash-old/inside")
            rig.trash.drain()
            // An executor at rest keeps no volume busy.
            try await unmount(path)
            #expect(try await rig.execute(snapshot, fence: 2).failure != nil, "before anybody has looked")
            try await watching(rig) {
                try await awaitUnready(rig, "is no mount point")
                #expect(try await rig.execute(creation, fence: 2).failure?.message.contains("not ready") == true)
                #expect(try scratch.tree().isEmpty)

                try await Command.run(["mount", "-t", "tmpfs", "-o", "size=16m", "none", path])
                try await awaitUnready(rig, "has no .wvs-volume")
                #expect(try await rig.execute(creation, fence: 2).failure != nil)
                #expect(try scratch.tree().isEmpty)
                try await unmount(path)

                try await Command.run(["mount", "-o", "loop", "\(path)/../image", path])
                try await awaitReady(rig)
                rig.trash.drain()
                #expect(!scratch.exists("ws-1/live/.trash-old"), "what a start sweeps is swept again")
                let sidecar = try await Sidecar(scratch)
                #expect(try await rig.execute(snapshot, fence: 3).snapshot != nil)
                try await sidecar.stop()

                // So fast that nobody saw it go.
                rig.trash.drain()
                try await unmount(path)
                try await Command.run(["mount", "-o", "loop", "\(path)/../image", path])
                try await eventually("it is at work again", within: .seconds(30)) {
                    try await rig.execute(.snapshotDrop(snapshotID: Ids.snapshot), fence: 4).failure == nil
                }
            }
        }
    }

    @Test(.enabled(if: ScratchFileSystem.canMount, "mounting takes root"), arguments: [false, true])
    func aDeadOrHungMountMakesItUnreadyAndTheRightOneReadyAgain(isHung: Bool) async throws {
        try await ScratchFileSystem.with(.tmpfs, megabytes: 16) { fileSystem in
            let path = fileSystem.path
            let rig = try await Rig(on: ScratchMount(at: path), patience: .seconds(3))
            try await rig.makeWorkspace()
            try await watching(rig) {
                // A FUSE file system whose server says nothing, and then is gone.
                let server = open("/dev/fuse", O_RDWR | O_CLOEXEC)
                #expect(mount("wvs-dead", path, "fuse", 0, "fd=\(server),rootmode=40000,user_id=0,group_id=0") == 0)
                if isHung {
                    try await awaitUnready(rig, "has not answered")
                    #expect(try await rig.execute(snapshot, fence: 2).failure?.message.contains("answered") == true)
                }
                close(server)
                try await awaitUnready(rig, String(cString: strerror(ENOTCONN)))
                #expect(try await rig.execute(creation, fence: 2).failure != nil)
                #expect(umount2(path, CInt(MNT_DETACH)) == 0)
                try await awaitReady(rig)
                #expect(try await rig.execute(creation, fence: 2).failure == nil)
            }
        }
    }
}
