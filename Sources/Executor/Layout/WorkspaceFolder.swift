private import Glibc
import Runtime
import RuntimeCore

/// One workspace's folder, held by descriptors: nothing below it is ever reached through a path (design 2).
struct WorkspaceFolder: Sendable {
    static let currentName = "current"
    static let liveName = "live"
    static let snapshotsName = "snapshots"
    static let controlName = ".wvs"

    let wsid: String
    let root: Directory
    let live: Directory
    let snapshots: Directory
    /// `.wvs`: the fence and the quiesce protocol.
    let control: Directory

    /// Nil where the mount has no such folder. A folder without one of its members is an error.
    init?(mount: Directory, wsid: String) throws {
        self.wsid = wsid
        do {
            root = try mount.open(wsid)
        } catch  where error.errno == ENOENT {
            return nil
        } catch {
            throw Self.explained(error)
        }
        live = try Self.member(Self.liveName, of: root)
        snapshots = try Self.member(Self.snapshotsName, of: root)
        control = try Self.member(Self.controlName, of: root)
    }

    var fence: FenceFile { FenceFile(in: control) }

    /// Of a live tree, relative to the workspace: what `current` points at.
    static func path(ofLive id: String) -> String { "\(liveName)/\(id)" }

    /// The id of the live tree that `current` points at.
    func currentLiveID() throws -> String {
        let target: String?
        do {
            target = try root.readLink(Self.currentName)
        } catch  where error.errno == EINVAL {
            throw ForgedFile(path: root.subject(Self.currentName), reason: "is no symbolic link")
        }
        guard let target else { throw ForgedFile(path: root.subject(Self.currentName), reason: "is missing") }
        let parts = target.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == Self.liveName, UUIDv7.isValid(String(parts[1])) else {
            throw ForgedFile(path: root.subject(Self.currentName), reason: "does not point at live/<id>")
        }
        return String(parts[1])
    }

    /// The record of a live tree; nil where there is none.
    func origin(of liveID: String) throws -> LiveOrigin? {
        try live.readRecord(Names.record(liveID), as: LiveOrigin.self, matching: { $0.liveID == liveID })
    }

    /// The live trees that came before `current` and have a record or a tree, from the nearest to the oldest.
    func predecessors() throws -> [String] {
        let currentID = try currentLiveID()
        var chain: [String] = []
        var origin = try origin(of: currentID)
        while let id = origin?.previous, id != currentID, !chain.contains(id) {
            chain.append(id)
            origin = try self.origin(of: id)
        }
        return chain
    }

    /// Whether this is the tree that the workspace began with.
    func began(with liveID: String) throws -> Bool {
        try origin(of: currentLiveID())?.beginning == liveID || predecessors().contains(liveID)
    }

    /// The manifest of a published snapshot; nil where neither snapshot nor manifest is there.
    ///
    /// Half of the pair, or a manifest that names another snapshot, is an error: it was not published by the rules.
    func manifest(of snapshotID: String) throws -> SnapshotManifest? {
        guard try snapshots.isDirectory(snapshotID) else { return nil }
        let name = Names.record(snapshotID)
        guard
            let manifest = try snapshots.readRecord(
                name, as: SnapshotManifest.self, matching: { $0.snapshotID == snapshotID && $0.wsid == wsid })
        else { throw ForgedFile(path: snapshots.subject(name), reason: "is missing, although the snapshot is there") }
        return manifest
    }

    private static func member(_ name: String, of root: Directory) throws -> Directory {
        do {
            return try root.open(name)
        } catch {
            throw explained(error)
        }
    }

    private static func explained(_ error: SystemError) -> any Error {
        let path = error.subject ?? "workspace"
        return switch error.errno {
        case ENOENT: ForgedFile(path: path, reason: "is missing: this is no workspace of WVS")
        case ELOOP: ForgedFile(path: path, reason: "is a symbolic link where a folder belongs")
        case ENOTDIR: ForgedFile(path: path, reason: "is no folder")
        case EXDEV: ForgedFile(path: path, reason: "lies on another file system")
        default: error
        }
    }
}
