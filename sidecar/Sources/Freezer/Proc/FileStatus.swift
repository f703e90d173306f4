private import Glibc

/// A file by what it is, not by what it is called: containers see other names.
package struct FileIdentity: Hashable, Sendable {
    package let device: UInt64
    package let inode: UInt64

    package init(device: UInt64, inode: UInt64) {
        self.device = device
        self.inode = inode
    }
}

/// What statx(2) says of a file, without asking a file server.
struct FileStatus {
    let identity: FileIdentity
    let mode: UInt32

    var isRegular: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFREG) }
    var isDirectory: Bool { mode & UInt32(S_IFMT) == UInt32(S_IFDIR) }
    /// What the kernel makes without a file system: an epoll, an io_uring.
    var isNameless: Bool { mode & UInt32(S_IFMT) == 0 }
    /// Of a link below /proc/<pid>/fd or map_files: the file was opened for writing.
    var isOpenForWriting: Bool { mode & UInt32(S_IWUSR) != 0 }
}
