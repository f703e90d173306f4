import Testing

@testable import Executor

@Suite struct TakeOverTests {
    private let scratch: ScratchMount
    private let folder: WorkspaceFolder

    init() throws {
        scratch = try ScratchMount()
        folder = try scratch.makeWorkspace(fence: 5)
    }

    private func stage(_ fence: UInt64) throws -> Staging {
        let staging = Staging(folder: folder.snapshots, id: Ids.snapshot, fence: fence)
        _ = try scratch.directory("ws-1/snapshots/\(staging.tree)")
        try staging.createRecord(["fence": fence], owner: .own)
        return staging
    }

    @Test func whatIsStagedAppearsUnderItsNameWithItsRecord() throws {
        let staging = try stage(5)
        try staging.publish(folder.fence)
        #expect(try folder.snapshots.names().sorted() == [Ids.snapshot, "\(Ids.snapshot).json"])
    }

    @Test func nothingIsReplacedByAPublication() throws {
        _ = try scratch.directory("ws-1/snapshots/\(Ids.snapshot)/kept")
        let staging = try stage(5)
        #expect(throws: (any Error).self) { try staging.publish(folder.fence) }
        #expect(scratch.exists("ws-1/snapshots/\(Ids.snapshot)/kept"))
    }

    @Test func anAttemptThatWasTakenOverCannotPublish() throws {
        let staging = try stage(5)
        #expect(try folder.takeOver(fence: 6, durable: true))
        #expect(throws: FencedOff(stored: 6)) { try staging.publish(folder.fence) }
        #expect(!scratch.exists("ws-1/snapshots/\(Ids.snapshot)"))
        #expect(!scratch.exists("ws-1/snapshots/\(Ids.snapshot).json"))
    }

    @Test func anAttemptThatPassedItsCheckBeforeTheTakeOverFindsItsSourcesGone() throws {
        let staging = try stage(5)
        #expect(throws: FencedOff(stored: 6)) {
            try folder.fence.commit(5) {
                _ = try folder.takeOver(fence: 6, durable: false)
                try folder.snapshots.rename(staging.tree, to: Ids.snapshot)
            }
        }
        #expect(!scratch.exists("ws-1/snapshots/\(Ids.snapshot)"))
    }

    @Test func takingOverRemovesSourcesUpToItsFenceAndNothingElse() throws {
        let id = Ids.snapshot
        for name in ["live/.staging-\(id)-4", "snapshots/.staging-\(id)-6", "snapshots/.staging-\(id)-7", "live/other"]
        {
            _ = try scratch.directory("ws-1/\(name)/inside")
        }
        for name in [".staging-\(id)-6.json", ".staging-\(id)-9.json", "\(id).json", ".staging-notes", ".hidden"] {
            try scratch.write("{}", to: "ws-1/snapshots/\(name)")
        }
        for name in [".current-3", ".current-7"] { try folder.root.makeLink(name, to: "live/x") }
        #expect(try folder.takeOver(fence: 6, durable: false))
        #expect(
            try folder.root.names().sorted() == [".current-7", ".wvs", "current", "live", "snapshots"])
        #expect(try folder.live.names().sorted() == [".trash-\(id)-4", Ids.live, "other"].sorted())
        #expect(
            try folder.snapshots.names().sorted() == [
                ".hidden", ".staging-\(id)-7", ".staging-\(id)-9.json", ".staging-notes", ".trash-\(id)-6",
                "\(id).json",
            ])
    }

    @Test func trashOfTheSameNameDoesNotStandInTheWay() throws {
        for _ in 0..<2 {
            _ = try scratch.directory("ws-1/snapshots/\(Ids.snapshot)")
            #expect(try folder.snapshots.moveToTrash(Ids.snapshot))
        }
        #expect(try folder.snapshots.names().filter { StagedName($0) == .trash }.count == 2)
        #expect(try !folder.snapshots.moveToTrash(Ids.snapshot))
    }
}
