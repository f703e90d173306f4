import Foundation
import Glibc
import Testing

@testable import Executor

@Suite struct WorkspaceFolderTests {
    private let scratch: ScratchMount

    init() throws { scratch = try ScratchMount() }

    private func reopen() throws -> WorkspaceFolder? { try WorkspaceFolder(mount: scratch.root(), wsid: "ws-1") }

    private func replace(_ name: String, _ body: (String) throws -> Void) throws {
        let path = "\(scratch.path)/ws-1/\(name)"
        try FileManager.default.removeItem(atPath: path)
        try body(path)
    }

    @Test func aWorkspaceThatIsNotThereIsNil() throws { #expect(try reopen() == nil) }

    @Test(arguments: [".wvs", "live", "snapshots"]) func aLinkInPlaceOfAFolderIsNamed(member: String) throws {
        _ = try scratch.makeWorkspace()
        _ = try scratch.directory("elsewhere")
        try replace(member) { #expect(symlink("\(scratch.path)/elsewhere", $0) == 0) }
        let error = #expect(throws: ForgedFile.self) { try reopen() }
        #expect(error?.path.hasSuffix("ws-1/\(member)") == true && error?.reason.contains("symbolic link") == true)
    }

    @Test(arguments: [".wvs", "live", "snapshots"]) func aFIFOInPlaceOfAFolderIsNamedAndBlocksNobody(member: String)
        throws
    {
        _ = try scratch.makeWorkspace()
        try replace(member) { #expect(mkfifo($0, 0o600) == 0) }
        let error = #expect(throws: ForgedFile.self) { try reopen() }
        #expect(error?.reason == "is no folder")
    }

    @Test func aFolderWithoutItsMembersIsNoWorkspace() throws {
        _ = try scratch.directory("ws-1")
        #expect(throws: ForgedFile.self) { try reopen() }
    }

    @Test(arguments: ["/etc", "../ws-2", "live/../../etc", "live/x", "live/\(Ids.live)/sub", "live"])
    func aCurrentThatPointsElsewhereIsRefused(target: String) throws {
        let folder = try scratch.makeWorkspace()
        try replace("current") { #expect(symlink(target, $0) == 0) }
        #expect(throws: ForgedFile.self) { try folder.currentLiveID() }
    }

    @Test func aCurrentThatIsNoLinkIsRefused() throws {
        let folder = try scratch.makeWorkspace()
        try replace("current") {
            try FileManager.default.createDirectory(atPath: $0, withIntermediateDirectories: false)
        }
        let error = #expect(throws: ForgedFile.self) { try folder.currentLiveID() }
        #expect(error?.reason == "is no symbolic link")
    }

    @Test(arguments: ["", "[]", "{\"snapshot_id\":\"x\"}", "not json"])
    func aManifestThatSaysNothingIsNeverAdopted(text: String) throws {
        let folder = try scratch.makeWorkspace()
        _ = try scratch.directory("ws-1/snapshots/\(Ids.snapshot)")
        try scratch.write(text, to: "ws-1/snapshots/\(Ids.snapshot).json")
        #expect(throws: ForgedFile.self) { try folder.manifest(of: Ids.snapshot) }
    }

    @Test func aSnapshotWithoutItsManifestIsNeverAdopted() throws {
        let folder = try scratch.makeWorkspace()
        _ = try scratch.directory("ws-1/snapshots/\(Ids.snapshot)")
        #expect(throws: ForgedFile.self) { try folder.manifest(of: Ids.snapshot) }
    }

    @Test func aManifestWithoutItsSnapshotIsNoSnapshot() throws {
        let folder = try scratch.makeWorkspace()
        try scratch.write("{}", to: "ws-1/snapshots/\(Ids.snapshot).json")
        #expect(try folder.manifest(of: Ids.snapshot) == nil)
    }
}
