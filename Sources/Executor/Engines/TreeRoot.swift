private import CShims
private import Glibc
import RuntimeCore

/// What the root of a tree is to its file system.
enum TreeRoot: Sendable {
    case directory
    /// Of btrfs.
    case subvolume

    /// Makes an empty one.
    func make(in parent: CInt, _ name: String) throws(SystemError) {
        switch self {
        case .directory: try systemCall("mkdirat", name) { mkdirat(parent, name, 0o700) }
        case .subvolume: try Subvolume.make(in: parent, name)
        }
    }

    /// Makes a finished tree what it is to be: a snapshot that is a subvolume can not be written to any more.
    func finish(in parent: CInt, _ name: String, as purpose: ClonePurpose) throws {
        guard self == .subvolume, purpose == .snapshot else { return }
        let root = try openBeneath(parent, name, flags: O_RDONLY | O_DIRECTORY)
        try Subvolume.setReadOnly(root.raw, true, name)
    }

    /// Closes a new root to everybody but the executor, and takes away what it has inherited from the directory it was made in
    /// (mode bits, group, ACLs), since it would pass it on to everything below.
    static func makePlain(_ root: CInt, _ name: String) throws(SystemError) {
        try systemCall("fchown", name) { fchown(root, geteuid(), getegid()) }
        for acl in ["system.posix_acl_default", "system.posix_acl_access"] where fremovexattr(root, acl) != 0 {
            if errno != ENODATA, errno != EOPNOTSUPP { throw SystemError("fremovexattr", name) }
        }
        try systemCall("fchmod", name) { fchmod(root, 0o700) }
    }
}
