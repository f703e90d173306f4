import ExecutorRPC
import Foundation
import Glibc
import Quiesce
import TestSupport
import Testing

@testable import Executor

@Suite struct InitWorkspaceTests {
    private static let other = "01890000-0000-7000-8000-00000000000f"
    private let operation = Operation.initWorkspace(liveID: Ids.live, owner: Owner(uid: 1234, gid: 2345))

    private func status(_ rig: Rig, _ name: String) throws -> stat {
        var status = stat()
        try #require(lstat("\(rig.scratch.path)/ws-1\(name)", &status) == 0, "\(name) is missing")
        return status
    }

    @Test(.enabled(if: geteuid() == 0, "giving files away takes root"))
    func aNewWorkspaceHasTheLayoutOwnersAndModesOfTheDesign() async throws {
        let rig = try await Rig(settings: ["EXECUTOR_CONTROL_UID": "77", "EXECUTOR_CONTROL_GID": "78"])
        #expect(try await rig.execute(operation, fence: 1) == .result(.initWorkspace(currentPath: "live/\(Ids.live)")))
        let expected: [(name: String, mode: UInt32, uid: UInt32, gid: UInt32)] = [
            ("", 0o755, 77, 78), ("/live", 0o711, 77, 78), ("/snapshots", 0o700, 77, 78), ("/.wvs", 0o700, 77, 78),
            ("/.wvs/sidecars", 0o700, 77, 78), ("/.wvs/fence", 0o700, 77, 78),
            ("/.wvs/fence/00000000000000000001", 0o600, 77, 78), ("/live/\(Ids.live)", 0o755, 1234, 2345),
            ("/live/\(Ids.live).json", 0o600, 77, 78),
        ]
        for entry in expected {
            let status = try status(rig, entry.name)
            #expect(status.st_mode & 0o7777 == entry.mode, "\(entry.name)")
            #expect(status.st_uid == entry.uid && status.st_gid == entry.gid, "\(entry.name)")
        }
        #expect(try status(rig, "/.wvs/control.json").st_uid == 77)
        #expect(try rig.scratch.directory("ws-1").readLink("current") == "live/\(Ids.live)")
        #expect(try rig.names("") == [".wvs", "current", "live", "snapshots"])
        #expect(try rig.scratch.directory(".wvs-init").names().isEmpty)
    }

    @Test func theLiveTreeOfAWorkspaceWithoutAnOwnerBelongsToTheDefaultOne() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        #expect(try status(rig, "/live/\(Ids.live)").st_uid == (geteuid() == 0 ? 1000 : geteuid()))
    }

    @Test func aRepeatedCallAnswersTheSameAndChangesNothing() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        try rig.scratch.write("mine", to: "ws-1/current/file")
        rig.trash.drain()
        func tree() throws -> [String] { try rig.scratch.tree().filter { !$0.hasPrefix("ws-1/.wvs/fence/") } }
        let before = try tree()
        try await rig.makeWorkspace()
        _ = try await rig.execute(.initWorkspace(liveID: Ids.live, owner: nil), fence: 2)
        rig.trash.drain()
        #expect(try tree() == before)
        #expect(try rig.text("current/file") == "mine")
    }

    @Test func aWorkspaceOfAnotherTaskIsLeftAlone() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        let failure = try await rig.execute(.initWorkspace(liveID: Self.other, owner: nil), fence: 2).failure
        #expect(failure?.code == .executorError && failure?.retryable == false)
        #expect(try rig.names("live").contains(Ids.live))
    }

    /// A database that was set back to before the task ended, when the workspace has gone on since.
    @Test func aWorkspaceThatBeganWithThisTaskIsAdoptedHoweverFarItHasGone() async throws {
        let rig = try await Rig(settings: ["EXECUTOR_LIVE_RETENTION": "0"])
        let sidecar = try await rig.makeSnapshot()
        for step in 1...3 {
            let live = "01890000-0000-7000-8000-0000000000d\(step)"
            _ = try await rig.execute(
                .setCurrent(snapshotID: Ids.snapshot, liveID: live, discard: true), fence: UInt64(10 * step + 2))
            let path = "live/\(live)"
            #expect(
                try await rig.settle(operation, fence: UInt64(10 * step + 3))
                    == .published(.initWorkspace(currentPath: path)))
            #expect(
                try await rig.execute(operation, fence: UInt64(10 * step + 4))
                    == .result(.initWorkspace(currentPath: path)))
        }
        #expect(
            try await rig.execute(.initWorkspace(liveID: Self.other, owner: nil), fence: 99).failure?.retryable == false
        )
        try await sidecar.stop()
    }

    @Test func aFolderThatIsNoWorkspaceIsLeftAlone() async throws {
        let rig = try await Rig()
        try rig.scratch.write("x", to: "ws-1-not-yet")
        _ = try rig.scratch.directory("ws-1/stuff")
        let failure = try await rig.execute(operation, fence: 1).failure
        #expect(failure?.message.contains("no workspace") == true)
        #expect(try rig.names("") == ["stuff"])
    }

    @Test func settlingBeforeAnythingHappenedBarsLowerFencesForGood() async throws {
        let rig = try await Rig()
        #expect(try await rig.settle(operation, fence: 5) == .notPublished)
        let failure = try await rig.execute(operation, fence: 4).failure
        #expect(failure?.code == .fenced && failure?.storedFence == 5)
        #expect(!rig.scratch.exists("ws-1"))
        #expect(try await rig.execute(operation, fence: 6).failure == nil)
    }

    @Test func settlingFindsAPublishedWorkspaceAndRaisesItsFence() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        #expect(
            try await rig.settle(operation, fence: 9) == .published(.initWorkspace(currentPath: "live/\(Ids.live)")))
        #expect(try await rig.execute(operation, fence: 8).failure?.storedFence == 9)
    }

    @Test(arguments: [
        ("not-a-uuid", "ws-1", UInt64(1)), (Ids.task, "../etc", 1), (Ids.task, "WS", 1), (Ids.task, "ws-1", 0),
    ])
    func aMalformedRequestIsRefusedBeforeAnythingIsDone(taskID: String, wsid: String, fence: UInt64) async throws {
        let rig = try await Rig()
        let failure = try await rig.execute(operation, fence: fence, taskID: taskID, wsid: wsid).failure
        #expect(failure?.code == .badRequest && failure?.retryable == false)
        #expect(try rig.scratch.tree() == [Volume.marker])
    }

    @Test(arguments: ["..", "../live", "../../ws-2/snapshots/\(Ids.snapshot)", "/etc", "\(Ids.snapshot)/..", ".", ""])
    func anIDThatLeadsElsewhereIsRefusedBeforeAnythingIsDone(id: String) async throws {
        let rig = try await Rig()
        try await rig.makeSnapshot().stop()
        _ = try rig.scratch.directory("ws-2/snapshots/\(Ids.snapshot)")
        _ = try rig.names("snapshots")
        let before = try rig.scratch.tree()
        let operations: [Operation] = [
            .initWorkspace(liveID: id, owner: nil), .snapshotCreate(snapshotID: id, message: ""),
            .snapshotDrop(snapshotID: id), .setCurrent(snapshotID: id, liveID: Ids.snapshot, discard: true),
            .setCurrent(snapshotID: Ids.snapshot, liveID: id, discard: true),
        ]
        for operation in operations {
            let failure = try await rig.execute(operation, fence: 9).failure
            #expect(failure?.code == .badRequest && failure?.retryable == false, "\(operation)")
            guard case .failure(let failure) = try await rig.settle(operation, fence: 10) else {
                throw Unexpected(outcome: "\(operation) was settled")
            }
            #expect(failure.code == .badRequest, "\(operation)")
        }
        #expect(try rig.scratch.tree() == before)
    }

    @Test func aFileInPlaceOfTheMountIsAFailureThatNamesIt() async throws {
        let rig = try await Rig()
        let path = rig.scratch.path
        try FileManager.default.removeItem(atPath: path)
        try rig.scratch.mount.path.write(toFile: path, atomically: false, encoding: .utf8)
        let failure = try await rig.execute(operation, fence: 1).failure
        #expect(failure?.retryable == true && failure?.message.contains(path) == true)
        try await rig.recovery.start()
        #expect(rig.recovery.obstacle?.contains(path) == true)
    }
}
