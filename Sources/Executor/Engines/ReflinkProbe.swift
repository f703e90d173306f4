private import CShims
private import Glibc
import RuntimeCore

/// Finds out whether files of a file system can share blocks, by having two do so.
enum ReflinkProbe {
    /// - Throws: `SystemError` with EOPNOTSUPP or whatever else the file system says; nothing is left in the directory.
    static func run(in directory: CInt) throws(SystemError) {
        let source = try temporaryFile(in: directory)
        let target = try temporaryFile(in: directory)
        let (from, to) = (source.raw, target.raw)
        let block = [UInt8](repeating: 0x57, count: 4096)
        let written = try systemCall("pwrite", "reflink probe") { pwrite(from, block, block.count, 0) }
        guard written == block.count else { throw SystemError("pwrite", "reflink probe", errno: ENOSPC) }
        try systemCall("ioctl FICLONE") { wvs_ficlone(to, from) }
    }

    /// A file without a name; where the file system has none, with one that is removed at once.
    private static func temporaryFile(in directory: CInt) throws(SystemError) -> FileDescriptor {
        let unnamed = retrying { wvs_openat(directory, ".", WVS_O_TMPFILE | O_RDWR | O_CLOEXEC, 0o600) }
        if unnamed >= 0 { return FileDescriptor(owning: unnamed) }
        guard [EOPNOTSUPP, EISDIR, EINVAL].contains(errno) else { throw SystemError("openat", "reflink probe") }
        let name = ".probe-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
        let file = FileDescriptor(
            owning: try systemCall("openat", name) {
                wvs_openat(directory, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o600)
            })
        try systemCall("unlinkat", name) { unlinkat(directory, name, 0) }
        return file
    }
}
