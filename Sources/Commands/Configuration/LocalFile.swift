private import Glibc
import RuntimeCore

/// Small files of the person who calls.
enum LocalFile {
    static func read(_ path: String, limit: Int = 1 << 20) throws(SystemError) -> [UInt8] {
        let file = try systemCall("open", path) { open(path, O_RDONLY | O_CLOEXEC) }
        defer { close(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while bytes.count < limit {
            let count = try systemCall("read", path) { Glibc.read(file, &chunk, chunk.count) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
        throw SystemError("read", path, errno: EFBIG)
    }

    /// Writes a new file beside it and renames: a reader sees the old text or the new one. Makes the folders above it.
    static func replace(_ path: String, with bytes: [UInt8], mode: UInt32) throws(SystemError) {
        try makeFolder(of: path)
        let fresh = "\(path).new-\(getpid())"
        let file = try systemCall("open", fresh) { open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode) }
        do throws(SystemError) {
            let written = try systemCall("write", fresh) { write(file, bytes, bytes.count) }
            guard written == bytes.count else { throw SystemError("write", fresh, errno: ENOSPC) }
            _ = try systemCall("fsync", fresh) { fsync(file) }
            _ = try systemCall("rename", path) { rename(fresh, path) }
            close(file)
        } catch {
            close(file)
            unlink(fresh)
            throw error
        }
    }

    private static func makeFolder(of path: String) throws(SystemError) {
        var folder = path.hasPrefix("/") ? "" : "."
        for part in path.split(separator: "/").dropLast() {
            folder += "/\(part)"
            if mkdir(folder, 0o700) != 0, errno != EEXIST { throw SystemError("mkdir", folder, errno: errno) }
        }
    }
}
