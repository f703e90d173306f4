private import Glibc
import RuntimeCore

/// Where a workspace is before it exists: `.wvs-init/<wsid>` of the mount, with a fence file of its own and the folder under
/// construction.
struct Nursery: Sendable {
    /// No workspace id begins with a dot.
    static let name = ".wvs-init"

    let wsid: String
    let place: Directory
    private let mount: Directory

    /// Nil where no attempt to make this workspace has left anything.
    init?(mount: Directory, wsid: String) throws(SystemError) {
        guard try mount.isDirectory(Self.name), case let parent = try mount.open(Self.name),
            try parent.isDirectory(wsid)
        else { return nil }
        self.wsid = wsid
        self.mount = mount
        place = try parent.open(wsid)
    }

    /// Opens it for an attempt, making what is missing, and takes it over.
    ///
    /// - Parameter durable: whether the fence must survive a crash of the machine by itself.
    init(mount: Directory, wsid: String, fence: UInt64, durable: Bool, owner: Ownership) throws {
        self.wsid = wsid
        self.mount = mount
        let parent = try mount.openOrMake(Self.name, mode: 0o700, owner: owner)
        place = try parent.openOrMake(wsid, mode: 0o700, owner: owner)
        if try self.fence.read() == nil {
            try FenceFile.create(in: place, fence: fence, owner: owner)
            if durable { for directory in [place, parent, mount] { try directory.sync() } }
        }
        try self.fence.raise(to: fence, durable: durable)
        _ = try place.removeSources { $0 <= fence }
    }

    var fence: FenceFile { FenceFile(in: place) }

    func staging(fence: UInt64) -> String { StagedName.tree(id: wsid, fence: fence).text }

    /// Makes the finished folder visible: the commit point.
    func publish(fence: UInt64) throws {
        try self.fence.commit(fence) {
            try place.renameWithoutReplacing(staging(fence: fence), to: mount, wsid)
        }
    }

    /// Goes away once the workspace exists, which has a fence of its own. Trash that is still there keeps it.
    func dissolveOnceBorn() throws(SystemError) {
        guard try mount.exists(wsid) else { return }
        try FenceFile.remove(from: place)
        do {
            try mount.open(Self.name).removeEmptyDirectory(wsid)
        } catch  where error.errno == ENOTEMPTY || error.errno == ENOENT {
            return
        }
    }
}
