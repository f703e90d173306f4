private import CShims
private import Glibc
import RuntimeCore

/// Subvolumes of btrfs, by open directory and name: no path is followed (linux/btrfs.h, btrfs-subvolume(8)).
enum Subvolume {
    /// linux/magic.h
    private static let magic: Int64 = 0x9123_683E
    /// The inode number of every subvolume's root (BTRFS_FIRST_FREE_OBJECTID), and of nothing else.
    private static let rootInode: UInt = 256

    /// Whether an open file or directory lies on btrfs.
    static func isBtrfs(_ descriptor: CInt) -> Bool {
        var status = statfs()
        return fstatfs(descriptor, &status) == 0 && Int64(status.f_type) == magic
    }

    /// Whether an open directory on btrfs is the root of a subvolume.
    static func isRoot(_ directory: CInt) -> Bool {
        var status = stat()
        return fstat(directory, &status) == 0 && UInt(status.st_ino) == rootInode
    }

    static func make(in parent: CInt, _ name: String) throws(SystemError) {
        try systemCall("BTRFS_IOC_SUBVOL_CREATE", name) { wvs_btrfs_create(parent, name) }
    }

    /// A snapshot of the subvolume whose root is open as `source`: as of one instant, whatever its size.
    static func snapshot(of source: CInt, in parent: CInt, _ name: String, readOnly: Bool) throws(SystemError) {
        try systemCall("BTRFS_IOC_SNAP_CREATE", name) {
            wvs_btrfs_snapshot(source, parent, name, readOnly ? 1 : 0)
        }
    }

    /// Removes a subvolume with all that is in it, read-only or not; the kernel frees the space later.
    ///
    /// - Returns: 0, or an error number: ENOTEMPTY where it holds other subvolumes, EPERM without CAP_SYS_ADMIN (unless mounted
    ///   with `user_subvol_rm_allowed`).
    static func destroy(in parent: CInt, _ name: UnsafePointer<CChar>) -> CInt {
        retrying { wvs_btrfs_destroy(parent, name) } == 0 ? 0 : errno
    }

    static func setReadOnly(_ subvolume: CInt, _ readOnly: Bool, _ name: String) throws(SystemError) {
        try systemCall("BTRFS_IOC_SUBVOL_SETFLAGS", name) { wvs_btrfs_set_read_only(subvolume, readOnly ? 1 : 0) }
    }

    /// Throws where other subvolumes lie in this one: a snapshot would show each as an empty directory.
    static func refuseNested(in subvolume: CInt) throws {
        var found = wvs_btrfs_nested()
        var paths: [String] = []
        var next: UInt64 = 0
        while paths.count < NestedSubvolumes.mostNamed,
            try systemCall("BTRFS_IOC_GET_SUBVOL_ROOTREF", nil, { wvs_btrfs_next_nested(subvolume, next, &found) }) == 1
        {
            next = found.id + 1
            let path = withUnsafeBytes(of: found.path) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
            paths.append(path.isEmpty ? "subvolume \(found.id)" : path)
        }
        if !paths.isEmpty { throw NestedSubvolumes(paths: paths) }
    }
}

/// Subvolumes lie inside a tree that is to be cloned as one subvolume; a snapshot would leave them out.
package struct NestedSubvolumes: Error, Equatable, CustomStringConvertible {
    static let mostNamed = 20

    /// From the tree's root; the first ones where there are many.
    package let paths: [String]

    package init(paths: [String]) { self.paths = paths }

    package var description: String {
        let more = paths.count < Self.mostNamed ? "" : " and perhaps more"
        return """
            a snapshot would leave out what lies in nested subvolumes: \(paths.joined(separator: ", "))\(more); \
            move their content into directories and remove them
            """
    }
}
