private import CShims
private import Glibc
import RuntimeCore

/// One entry of a tree, by its directory and name.
struct TreeEntry {
    enum Kind {
        case directory, regular, link, fifo, socket, device
    }

    let directory: CInt
    let rawName: [CChar]
    /// For messages.
    let path: String
    let status: FileStatus

    init(at directory: CInt, _ name: [CChar], path: String) throws {
        self.directory = directory
        rawName = name
        self.path = path
        var status = FileStatus()
        try systemCall("fstatat", path) { fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) }
        self.status = status
    }

    var kind: Kind {
        switch status.st_mode & S_IFMT {
        case S_IFDIR: .directory
        case S_IFREG: .regular
        case S_IFLNK: .link
        case S_IFIFO: .fifo
        case S_IFSOCK: .socket
        default: .device
        }
    }

    var modified: String {
        let fraction = String(status.st_mtim.tv_nsec)
        return "\(status.st_mtim.tv_sec).\(String(repeating: "0", count: 9 - fraction.count))\(fraction)"
    }

    func open() throws -> FileDescriptor {
        FileDescriptor(
            owning: try systemCall("openat", path) {
                wvs_openat(directory, rawName, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0)
            })
    }

    func entries() throws -> Set<[CChar]> {
        let file = try open()
        guard let stream = fdopendir(file.release()) else { throw SystemError("fdopendir", path) }
        defer { closedir(stream) }
        var names: Set<[CChar]> = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) {
                    Array(UnsafeBufferPointer(start: $0, count: strlen($0) + 1))
                }
            }
            if name != [46, 0], name != [46, 46, 0] { names.insert(name) }
        }
        return names
    }

    func destination() throws -> [CChar] {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX))
        let length = try systemCall("readlinkat", path) { readlinkat(directory, rawName, &buffer, buffer.count) }
        return Array(buffer[..<length])
    }

    /// Values as hexadecimal text, by name.
    func attributes() throws -> [String: String] {
        let place = Array("/proc/self/fd/\(directory)/".utf8CString.dropLast()) + rawName
        // An absolute name needs no directory.
        let target = directory == AT_FDCWD ? rawName : place
        var names = [CChar](repeating: 0, count: 65_536)
        let length = llistxattr(target, &names, names.count)
        if length < 0, errno == EOPNOTSUPP { return [:] }
        guard length >= 0 else { throw SystemError("llistxattr", path) }
        var result: [String: String] = [:]
        for name in names[..<length].split(separator: 0) {
            let terminated = Array(name) + [0]
            var value = [UInt8](repeating: 0, count: 65_536)
            let size = try systemCall("lgetxattr", path) { lgetxattr(target, terminated, &value, value.count) }
            result[text(terminated)] = value[..<size].map { String($0, radix: 16) }.joined(separator: " ")
        }
        return result
    }
}

/// Where an open file has data rather than holes, as text.
func dataRanges(_ file: CInt) throws -> String {
    var ranges: [String] = []
    var offset = off_t(0)
    while true {
        let start = lseek(file, offset, WVS_SEEK_DATA)
        if start < 0 {
            if errno == ENXIO { return ranges.joined(separator: " ") }
            throw SystemError("lseek")
        }
        offset = try systemCall("lseek") { lseek(file, start, WVS_SEEK_HOLE) }
        ranges.append("\(start)-\(offset)")
    }
}

/// Has an open file's pages written and forgotten.
func dropCache(_ file: CInt) throws {
    try systemCall("fsync") { fsync(file) }
    posix_fadvise(file, 0, 0, POSIX_FADV_DONTNEED)
}

func text(_ name: [CChar]) -> String {
    String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
}
