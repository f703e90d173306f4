private import CShims
private import Glibc
import RuntimeCore

/// Gives a clone its owner, extended attributes, mode and times, in an order in which none of them undoes another: a change of
/// owner clears setuid and capabilities, an ACL changes the mode, and everything changes the times.
final class AttributeCopy {
    /// As large as names and a value can be: XATTR_LIST_MAX and XATTR_SIZE_MAX (xattr(7)).
    private static let capacity = 65_536
    private let names = UnsafeMutablePointer<CChar>.allocate(capacity: capacity)
    private let value = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 1)

    deinit {
        names.deallocate()
        value.deallocate()
    }

    /// Of a regular file.
    func finish(source: CInt, target: CInt, _ status: FileStatus, _ birth: Birth, path: () -> String) throws {
        if birth.owner != FileOwner(status) {
            guard fchown(target, status.st_uid, status.st_gid) == 0 else { throw SystemError("fchown", path()) }
        }
        try copyExtendedAttributes(from: source, to: target, path: path)
        if birth.mode != status.st_mode & 0o7777 {
            guard fchmod(target, status.st_mode & 0o7777) == 0 else { throw SystemError("fchmod", path()) }
        }
        guard withTimes(status, { futimens(target, $0) }) == 0 else { throw SystemError("futimens", path()) }
    }

    /// Of a directory whose entries are complete.
    ///
    /// - Parameter birth: nil where it is not new: it may belong to anybody, and have attributes that its source has lost.
    func finish(directory pair: DirectoryPair, _ status: FileStatus, _ birth: Birth?, path: () -> String) throws {
        if birth == nil { try removeExtendedAttributes(of: pair.target, exceptThoseOf: pair.source, path) }
        try finish(source: pair.source, target: pair.target, status, birth ?? Birth(), path: path)
    }

    private func removeExtendedAttributes(of target: CInt, exceptThoseOf source: CInt, _ path: () -> String) throws {
        let length = retrying { flistxattr(target, names, Self.capacity) }
        try forEachName(length, path) { name in
            if fgetxattr(source, name, nil, 0) >= 0 { return }
            // XFS lists an ACL under a second name, which goes with the first.
            if errno == ENODATA, fremovexattr(target, name) == 0 || errno == ENODATA { return }
            throw SystemError("fremovexattr", "\(path()) \(String(cString: name))")
        }
    }

    /// Of what has no descriptor to work with. By name is safe in the target: nobody else can enter it.
    func finish(
        special name: UnsafePointer<CChar>, _ pair: DirectoryPair, source: CInt, _ status: FileStatus, _ birth: Birth,
        path: () -> String
    ) throws {
        if birth.owner != FileOwner(status) {
            guard fchownat(pair.target, name, status.st_uid, status.st_gid, AT_SYMLINK_NOFOLLOW) == 0 else {
                throw SystemError("fchownat", path())
            }
        }
        try copyExtendedAttributes(fromPathOnly: source, to: name, in: pair.target, path: path)
        if status.st_mode & S_IFMT != S_IFLNK, birth.mode != status.st_mode & 0o7777 {
            guard fchmodat(pair.target, name, status.st_mode & 0o7777, 0) == 0 else {
                throw SystemError("fchmodat", path())
            }
        }
        guard withTimes(status, { utimensat(pair.target, name, $0, AT_SYMLINK_NOFOLLOW) }) == 0 else {
            throw SystemError("utimensat", path())
        }
    }

    private func copyExtendedAttributes(from source: CInt, to target: CInt, path: () -> String) throws {
        // Without a buffer: the kernel would allocate as large a one for each call.
        if flistxattr(source, nil, 0) == 0 { return }
        let length = retrying { flistxattr(source, names, Self.capacity) }
        try forEachName(length, path) { name in
            let size = retrying { fgetxattr(source, name, value, Self.capacity) }
            try set(name, size, path) {
                fsetxattr(target, name, value, $0, 0)
            } present: {
                fgetxattr(target, name, $0, $1)
            }
        }
    }

    /// The kernel takes no O_PATH descriptor for these calls, but the link to it in /proc.
    private func copyExtendedAttributes(
        fromPathOnly source: CInt, to entry: UnsafePointer<CChar>, in target: CInt, path: () -> String
    ) throws {
        let sourcePath = "/proc/self/fd/\(source)"
        let length = retrying { listxattr(sourcePath, names, Self.capacity) }
        if length == 0 { return }
        let targetPath =
            Array("/proc/self/fd/\(target)/".utf8CString.dropLast())
            + UnsafeBufferPointer(start: entry, count: strlen(entry) + 1)
        try forEachName(length, path) { name in
            let size = retrying { getxattr(sourcePath, name, value, Self.capacity) }
            try set(name, size, path) {
                lsetxattr(targetPath, name, value, $0, 0)
            } present: {
                lgetxattr(targetPath, name, $0, $1)
            }
        }
    }

    private func forEachName(_ length: Int, _ path: () -> String, _ body: (UnsafePointer<CChar>) throws -> Void) throws
    {
        if length < 0 {
            if errno == EOPNOTSUPP { return }
            throw SystemError("listxattr", path())
        }
        var offset = 0
        while offset < length {
            try body(names + offset)
            offset += strlen(names + offset) + 1
        }
    }

    /// Sets one attribute whose value has been read. Where that is not allowed or not supported it must be there already, as
    /// a security label that the file system gives to every file.
    private func set(
        _ name: UnsafePointer<CChar>, _ size: Int, _ path: () -> String, _ write: (Int) -> CInt,
        present: (UnsafeMutableRawPointer, Int) -> Int
    ) throws {
        if size < 0 {
            if errno == ENODATA { return }
            throw SystemError("getxattr", "\(path()) \(String(cString: name))")
        }
        if retrying({ write(size) }) == 0 { return }
        let code = errno
        let isPresent = withUnsafeTemporaryAllocation(byteCount: max(size, 1), alignment: 1) { buffer in
            guard code == EPERM || code == EOPNOTSUPP, let base = buffer.baseAddress else { return false }
            return present(base, size) == size && memcmp(base, value, size) == 0
        }
        if !isPresent { throw SystemError("setxattr", "\(path()) \(String(cString: name))", errno: code) }
    }
}

/// Lends the times of access and modification as utimensat(2) wants them.
private func withTimes(_ status: FileStatus, _ body: (UnsafePointer<timespec>) -> CInt) -> CInt {
    withUnsafeTemporaryAllocation(of: timespec.self, capacity: 2) { times in
        times[0] = status.st_atim
        times[1] = status.st_mtim
        return times.baseAddress.map { body($0) } ?? -1
    }
}
