private import CShims
private import Glibc
import RuntimeCore

/// Calls on one directory by its descriptor. `subject` in errors is the path as a person would look for it.
final class Directory: Sendable {
    private let descriptor: FileDescriptor
    /// Relative to the mount, for messages.
    let path: String

    init(owning descriptor: consuming FileDescriptor, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Good only while this object lives: keep it beyond the call that takes the descriptor.
    var raw: CInt { descriptor.raw }

    /// Opens a directory from outside: the mount.
    convenience init(path: String) throws(SystemError) {
        let raw = try systemCall("open", path) { wvs_open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
        self.init(owning: FileDescriptor(owning: raw), path: path)
    }

    /// Opens a directory below this one; neither a symbolic link nor another file system is followed.
    func open(_ name: String) throws(SystemError) -> Directory {
        Directory(
            owning: try openBeneath(raw, name, flags: O_RDONLY | O_DIRECTORY, subject: subject(name)),
            path: subject(name))
    }

    /// Whether there is an entry of that name, of whatever kind.
    func exists(_ name: String) throws(SystemError) -> Bool { try kind(name) != nil }

    func isDirectory(_ name: String) throws(SystemError) -> Bool { try kind(name) == S_IFDIR }

    /// The file type bits of an entry; nil where there is none.
    private func kind(_ name: String) throws(SystemError) -> UInt32? {
        var status = stat()
        do {
            try systemCall("fstatat", subject(name)) { fstatat(raw, name, &status, AT_SYMLINK_NOFOLLOW) }
            return status.st_mode & S_IFMT
        } catch  where error.errno == ENOENT {
            return nil
        }
    }

    /// Makes a directory with exactly this mode and owner.
    func makeDirectory(_ name: String, mode: UInt32, owner: Ownership) throws(SystemError) {
        try systemCall("mkdirat", subject(name)) { mkdirat(raw, name, 0o700) }
        try setAccess(name, mode: mode, owner: owner)
    }

    /// Gives a directory exactly this mode and owner.
    func setAccess(_ name: String, mode: UInt32, owner: Ownership) throws(SystemError) {
        let made = try open(name)
        try withExtendedLifetime(made) { () throws(SystemError) in
            try owner.apply(to: made.raw, subject(name))
            try systemCall("fchmod", subject(name)) { fchmod(made.raw, mode) }
        }
    }

    func openOrMake(_ name: String, mode: UInt32, owner: Ownership) throws(SystemError) -> Directory {
        do {
            try makeDirectory(name, mode: mode, owner: owner)
        } catch  where error.errno == EEXIST {
            return try open(name)
        }
        return try open(name)
    }

    /// Renames an entry of this directory into another, or within it; never replaces anything.
    func renameWithoutReplacing(_ name: String, to other: Directory, _ newName: String) throws(SystemError) {
        try systemCall("renameat2", subject(name)) {
            wvs_renameat2(raw, name, other.raw, newName, wvsRenameNoReplace)
        }
    }

    /// Renames within this directory and replaces what has that name.
    func rename(_ name: String, to newName: String) throws(SystemError) {
        try systemCall("renameat", subject(name)) { renameat(raw, name, raw, newName) }
    }

    /// Removes an entry that is not a directory; false where there was none.
    @discardableResult
    func unlink(_ name: String) throws(SystemError) -> Bool {
        do {
            try systemCall("unlinkat", subject(name)) { unlinkat(raw, name, 0) }
            return true
        } catch  where error.errno == ENOENT {
            return false
        }
    }

    func removeEmptyDirectory(_ name: String) throws(SystemError) {
        try systemCall("unlinkat", subject(name)) { unlinkat(raw, name, AT_REMOVEDIR) }
    }

    func makeLink(_ name: String, to target: String) throws(SystemError) {
        try systemCall("symlinkat", subject(name)) { symlinkat(target, raw, name) }
    }

    /// Where a symbolic link points; nil where there is nothing of that name.
    func readLink(_ name: String) throws(SystemError) -> String? {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        do {
            let length = try systemCall("readlinkat", subject(name)) { readlinkat(raw, name, &buffer, buffer.count) }
            return String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self)
        } catch  where error.errno == ENOENT {
            return nil
        }
    }

    /// The names in this directory, without `.` and `..`.
    func names() throws(SystemError) -> [String] { try FolderNames.read(raw, path) }

    /// Makes renames and new entries of this directory durable.
    func sync() throws(SystemError) { try systemCall("fsync", path) { fsync(raw) } }

    func subject(_ name: String) -> String { "\(path)/\(name)" }
}

/// Who owns a file.
package struct Ownership: Equatable, Sendable {
    package let uid: UInt32
    package let gid: UInt32

    package init(uid: UInt32, gid: UInt32) {
        self.uid = uid
        self.gid = gid
    }

    /// This process.
    package static var own: Ownership { Ownership(uid: geteuid(), gid: getegid()) }

    /// Gives an open file to this owner. Left alone where it has it already: an executor that is not root may not ask.
    func apply(to descriptor: CInt, _ subject: @autoclosure () -> String) throws(SystemError) {
        var status = stat()
        try systemCall("fstat", subject()) { fstat(descriptor, &status) }
        if status.st_uid == uid, status.st_gid == gid { return }
        try systemCall("fchown", subject()) { fchown(descriptor, uid, gid) }
    }
}

/// `RENAME_NOREPLACE` (renameat2(2)), which Swift's view of glibc lacks.
private let wvsRenameNoReplace: CUnsignedInt = 1
