private import CShims
private import Glibc

/// Opens `path` below a held directory, whatever somebody may have put in its way: neither `..`, nor a symbolic link, nor
/// another file system leads out (openat2(2), `RESOLVE_BENEATH|NO_SYMLINKS|NO_MAGICLINKS|NO_XDEV`).
///
/// - Parameters:
///   - flags: as for open(2); `O_CLOEXEC` and `O_NOCTTY` are added. Pass `O_NONBLOCK` where a FIFO may have been planted.
///   - mode: of a file that `O_CREAT` makes.
///   - subject: names it in the error; by default `path`.
/// - Throws: ELOOP for a symbolic link, EXDEV for a mount point or a way out.
package func openBeneath(
    _ directory: CInt, _ path: String, flags: CInt, mode: UInt32 = 0, subject: @autoclosure () -> String? = nil
) throws(SystemError) -> FileDescriptor {
    FileDescriptor(
        owning: try systemCall("openat2", subject() ?? path) {
            wvs_openat2_beneath(directory, path, flags | O_CLOEXEC | O_NOCTTY, mode)
        })
}

/// A small file that others may have tampered with: opened without blocking, regular, and of bounded size.
package enum BoundedFile {
    /// No control file of ours is larger, in bytes.
    package static let defaultLimit = 65_536

    /// Opens a regular file below a held directory.
    ///
    /// - Throws: EINVAL where it is not a regular file; else as `openBeneath`.
    package static func open(
        _ directory: CInt, _ path: String, flags: CInt = O_RDONLY, mode: UInt32 = 0
    ) throws(SystemError) -> FileDescriptor {
        let file = try openBeneath(directory, path, flags: flags | O_NONBLOCK, mode: mode)
        let raw = file.raw
        var status = stat()
        try systemCall("fstat", path) { fstat(raw, &status) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw SystemError("open", path, errno: EINVAL) }
        return file
    }

    /// Reads a whole file.
    ///
    /// - Throws: EFBIG where it holds more than `limit` bytes; else as `open`.
    package static func read(
        _ directory: CInt, _ path: String, limit: Int = defaultLimit
    ) throws(SystemError) -> [UInt8] {
        let file = try open(directory, path)
        let raw = file.raw
        // One byte more than allowed, so that a file that grows meanwhile is noticed.
        var buffer = [UInt8](repeating: 0, count: limit + 1)
        var length = 0
        while length < buffer.count {
            let count = try systemCall("pread", path) {
                buffer.withUnsafeMutableBytes {
                    pread(raw, $0.baseAddress?.advanced(by: length), $0.count - length, off_t(length))
                }
            }
            if count == 0 { return Array(buffer[..<length]) }
            length += count
        }
        throw SystemError("read", path, errno: EFBIG)
    }
}
