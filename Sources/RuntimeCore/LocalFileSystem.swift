private import CShims
private import Glibc

/// File systems whose every change goes through this kernel: all who read a file share its page cache, and inotify tells of
/// every write.
package enum LocalFileSystem {
    /// From linux/magic.h; bcachefs and ZFS from their own headers.
    private static let magics: Set<Int64> = [
        0xEF53,  // ext2, ext3, ext4
        0x5846_5342,  // XFS
        0x9123_683E,  // btrfs
        0x0102_1994,  // tmpfs
        0xF2F5_2010,  // F2FS
        0xCA45_1A4E,  // bcachefs
        0x2FC1_2FC1,  // ZFS
        0x794C_7630,  // overlayfs, whose layers are one of these
    ]

    /// Whether an open file or directory lies on one of them; unknown counts as no.
    package static func holds(_ descriptor: CInt) -> Bool {
        var status = statfs()
        guard fstatfs(descriptor, &status) == 0 else { return false }
        return magics.contains(Int64(status.f_type))
    }

    package static func holds(_ path: String) -> Bool {
        magics.contains(wvs_file_system_type(path))
    }
}
