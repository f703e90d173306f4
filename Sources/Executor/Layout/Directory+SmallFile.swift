private import CShims
private import Glibc
import RuntimeCore

/// Small files of ours: the fence, records. Whatever else stands in their place (a FIFO, a link, a huge file) is an error
/// that says so, and never blocks.
extension Directory {
    /// The whole content; nil where there is no such file.
    func readSmallFile(_ name: String) throws -> [UInt8]? {
        do {
            return try BoundedFile.read(raw, name)
        } catch  where error.errno == ENOENT {
            return nil
        } catch {
            throw explained(error, name)
        }
    }

    /// Opens an existing file of ours for reading and writing in place; nil where there is none.
    func openSmallFile(_ name: String) throws -> FileDescriptor? {
        do {
            return try BoundedFile.open(raw, name, flags: O_RDWR)
        } catch  where error.errno == ENOENT {
            return nil
        } catch {
            throw explained(error, name)
        }
    }

    /// Writes a file that must not exist yet, and makes its content durable: a name never leads to half of it.
    func createSmallFile(_ name: String, _ bytes: [UInt8], owner: Ownership) throws(SystemError) {
        let file = try openBeneath(
            raw, name, flags: O_WRONLY | O_CREAT | O_EXCL, mode: 0o600, subject: subject(name))
        try owner.apply(to: file.raw, subject(name))
        try write(bytes, to: file.raw, name)
        try systemCall("fdatasync", subject(name)) { fdatasync(file.raw) }
    }

    /// Writes from the start of the file, in one call.
    func write(_ bytes: [UInt8], to file: CInt, _ name: String) throws(SystemError) {
        let written = try systemCall("pwrite", subject(name)) {
            bytes.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
        }
        if written != bytes.count { throw SystemError("pwrite", subject(name), errno: ENOSPC) }
    }

    private func explained(_ error: SystemError, _ name: String) -> any Error {
        let path = subject(name)
        return switch error.errno {
        case ELOOP: ForgedFile(path: path, reason: "is a symbolic link where a file belongs")
        case EINVAL, EISDIR, ENXIO: ForgedFile(path: path, reason: "is no regular file")
        case EFBIG: ForgedFile(path: path, reason: "is larger than \(BoundedFile.defaultLimit) bytes")
        default: SystemError(error.call, path, errno: error.errno)
        }
    }
}

/// Something stands where a file or folder of ours belongs, or it does not say what it should.
struct ForgedFile: Error, Equatable, CustomStringConvertible {
    let path: String
    let reason: String

    var description: String { "\(path) \(reason)" }
}
