private import CShims
private import Glibc
import RuntimeCore

/// A workspace's `.wvs`, by descriptor: small regular files in it, whatever somebody else may have put there.
struct ControlDirectory: Sendable {
    /// Not owned.
    let descriptor: CInt

    /// What a small file holds.
    enum Content: Equatable {
        case bytes([UInt8])
        case absent
        /// Not a regular file, too large, unreadable: the reason.
        case unusable(String)
    }

    /// Opens a name below the directory: never through a link, never onto another file system, never waiting (a FIFO's
    /// open would).
    func open(_ name: String, _ flags: CInt, mode: UInt32 = 0) throws(SystemError) -> FileDescriptor {
        let raw: CInt = try systemCall("openat2", name) {
            wvs_openat2_beneath(descriptor, name, flags | O_NONBLOCK | O_CLOEXEC | O_NOCTTY, mode)
        }
        return FileDescriptor(owning: raw)
    }

    /// Opens a regular file; `unusable` is thrown as EINVAL for anything else.
    func openRegular(_ name: String, _ flags: CInt, mode: UInt32 = 0) throws(SystemError) -> FileDescriptor {
        let file = try open(name, flags, mode: mode)
        guard try Self.status(of: file, name).isRegular else { throw SystemError("open", name, errno: EINVAL) }
        return file
    }

    /// Reads a whole file of at most `limit` bytes.
    func read(_ name: String, limit: Int = ControlDocument.maximumSize) -> Content {
        do {
            let file = try open(name, O_RDONLY)
            let status = try Self.status(of: file, name)
            guard status.isRegular else { return .unusable("\(name) is not a regular file") }
            guard status.size <= limit else { return .unusable("\(name) is larger than \(limit) bytes") }
            return .bytes(try Self.read(file, name, limit: limit))
        } catch {
            if error.errno == ENOENT { return .absent }
            return .unusable(error.description)
        }
    }

    /// Replaces a file's text in place: its inode stays, so that another mount sees it at once. One `pwrite`, no fsync.
    func write(_ name: String, _ bytes: [UInt8]) throws(SystemError) {
        let file = try openOrMake(name)
        let size = try Self.status(of: file, name).size
        let written = try systemCall("pwrite", name) { pwrite(file.raw, bytes, bytes.count, 0) }
        guard written == bytes.count else { throw SystemError("pwrite", name, errno: ENOSPC) }
        // Only where somebody else has made it longer: until it is cut the text is followed by the old end, and invalid.
        if size > bytes.count { try systemCall("ftruncate", name) { ftruncate(file.raw, off_t(bytes.count)) } }
    }

    private func openOrMake(_ name: String) throws(SystemError) -> FileDescriptor {
        // Twice: between the two somebody else may make it, or take it away.
        for _ in 0..<2 {
            do throws(SystemError) {
                return try openRegular(name, O_WRONLY)
            } catch  where error.errno == ENOENT {}
            do throws(SystemError) {
                let file = try openRegular(name, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
                giveToOwner(file)
                return file
            } catch  where error.errno == EEXIST {}
        }
        return try openRegular(name, O_WRONLY)
    }

    /// Gives a file that root has just made here to whom the directory belongs: an executor without root's rights could not even
    /// tell whether a registration's owner lives. Where root is nobody (NFS), the file is not root's either.
    func giveToOwner(_ file: borrowing FileDescriptor) {
        var status = stat()
        guard geteuid() == 0, fstat(descriptor, &status) == 0, status.st_uid != 0 else { return }
        _ = fchown(file.raw, status.st_uid, status.st_gid)
    }

    func remove(_ name: String) throws(SystemError) {
        try systemCall("unlinkat", name) { unlinkat(descriptor, name, 0) }
    }

    /// A descriptor of its own for the same directory.
    func duplicate() throws(SystemError) -> FileDescriptor {
        FileDescriptor(owning: try systemCall("fcntl") { fcntl(descriptor, F_DUPFD_CLOEXEC, 0) })
    }

    /// Creates a folder of mode 0700, or leaves the one that is there.
    func makeFolder(_ name: String, owner: (uid: UInt32, gid: UInt32)? = nil) throws(SystemError) {
        do {
            try systemCall("mkdirat", name) { mkdirat(descriptor, name, 0o700) }
        } catch {
            if error.errno == EEXIST { return }
            throw error
        }
        try give(name, to: owner)
    }

    /// Creates an empty file of mode 0600, or leaves the one that is there.
    func makeFile(_ name: String, owner: (uid: UInt32, gid: UInt32)?) throws(SystemError) {
        do {
            _ = try open(name, O_WRONLY | O_CREAT | O_EXCL, mode: 0o600)
        } catch {
            if error.errno == EEXIST { return }
            throw error
        }
        try give(name, to: owner)
    }

    private func give(_ name: String, to owner: (uid: UInt32, gid: UInt32)?) throws(SystemError) {
        guard let owner else { return }
        try systemCall("fchownat", name) { fchownat(descriptor, name, owner.uid, owner.gid, AT_SYMLINK_NOFOLLOW) }
    }

    /// Whether files here may be seen by other machines later than by this one.
    var isOnNetwork: Bool { !LocalFileSystem.holds(descriptor) }

    struct Status {
        struct Identity: Equatable {
            let device: UInt64
            let inode: UInt64
        }

        let isRegular: Bool
        let size: Int
        let identity: Identity
    }

    static func status(of file: borrowing FileDescriptor, _ name: String) throws(SystemError) -> Status {
        var status = stat()
        let raw = file.raw
        try systemCall("fstat", name) { fstat(raw, &status) }
        return Status(
            isRegular: status.st_mode & S_IFMT == S_IFREG, size: Int(status.st_size),
            identity: Status.Identity(device: UInt64(status.st_dev), inode: UInt64(status.st_ino)))
    }

    /// The whole of a file of at most `limit` bytes.
    static func read(_ file: borrowing FileDescriptor, _ name: String, limit: Int) throws(SystemError)
        -> [UInt8]
    {
        var bytes: [UInt8] = []
        let raw = file.raw
        var buffer = [UInt8](repeating: 0, count: 8192)
        // One more byte than allowed, so that a file that grows meanwhile is noticed.
        while bytes.count <= limit {
            let count = try systemCall("pread", name) { pread(raw, &buffer, buffer.count, off_t(bytes.count)) }
            if count == 0 { return bytes }
            bytes.append(contentsOf: buffer[..<count])
            // A whole document comes in the first read; asking again for the end would double the cost of a poll.
            if count < buffer.count { return bytes }
        }
        throw SystemError("pread", name, errno: EFBIG)
    }
}
