private import CShims
private import Glibc
package import RuntimeCore

/// Reading /proc and other files that are small.
package enum ProcFS {
    /// The whole of a small file.
    package static func read(_ path: String, in directory: CInt = AT_FDCWD) throws(SystemError) -> [UInt8] {
        let file = try open(path, in: directory, CInt(O_RDONLY))
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = try systemCall("read", path) { Glibc.read(file.raw, &chunk, chunk.count) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            // A directory of /proc can be read in pieces of any size; larger ones mean fewer calls for long map lists.
            if count == chunk.count, chunk.count < 1 << 18 { chunk = [UInt8](repeating: 0, count: chunk.count * 4) }
        }
    }

    /// The beginning of a file that is open: a line or a few.
    static func start(of file: CInt, _ path: String) throws(SystemError) -> String {
        try withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer throws(SystemError) -> String in
            let count = try systemCall("pread", path) { pread(file, buffer.baseAddress, buffer.count, 0) }
            return String(decoding: buffer[..<count], as: UTF8.self)
        }
    }

    static func open(_ path: String, in directory: CInt = AT_FDCWD, _ flags: CInt) throws(SystemError) -> FileDescriptor
    {
        FileDescriptor(owning: try systemCall("openat", path) { wvs_openat(directory, path, flags | O_CLOEXEC, 0) })
    }

    /// Opens a directory of /proc; nil where its owner keeps it to itself.
    static func openList(_ path: String) throws(SystemError) -> FileDescriptor? {
        do {
            return try open(path, CInt(O_RDONLY) | CInt(O_DIRECTORY))
        } catch  where error.errno == EACCES {
            return nil
        }
    }

    /// A process, thread or descriptor in a directory of /proc.
    struct Entry {
        let number: CInt
        let inode: UInt64
    }

    /// The entries of a directory that are numbers.
    static func entries(_ path: String) throws(SystemError) -> [Entry] {
        guard let stream = opendir(path) else { throw SystemError("opendir", path) }
        defer { closedir(stream) }
        var result: [Entry] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else {
                // A list that breaks off is not a short one.
                if errno != 0 { throw SystemError("readdir", path) }
                return result
            }
            let number = withUnsafePointer(to: &entry.pointee.d_name) { name in
                name.withMemoryRebound(to: CChar.self, capacity: 256) { decimal($0) }
            }
            if let number { result.append(Entry(number: number, inode: UInt64(entry.pointee.d_ino))) }
        }
    }

    /// The numbers among a directory's entries: processes, threads or descriptors.
    static func numbers(_ path: String) throws(SystemError) -> [CInt] { try entries(path).map(\.number) }

    /// Where a link of /proc points, as the process sees it; nil where that may not be read or is gone.
    static func target(_ path: String, in directory: CInt = AT_FDCWD) -> String? {
        try? existingTarget(path, in: directory)
    }

    /// As `target`; nil only where the link is gone, with its process as a rule.
    static func existingTarget(_ path: String, in directory: CInt = AT_FDCWD) throws(SystemError) -> String? {
        try unlessGone { () throws(SystemError) in
            try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX)) {
                buffer throws(SystemError) -> String in
                let count = try systemCall("readlinkat", path) {
                    buffer.baseAddress.map { readlinkat(directory, path, $0, buffer.count) } ?? -1
                }
                return String(decoding: UnsafeRawBufferPointer(start: buffer.baseAddress, count: count), as: UTF8.self)
            }
        }
    }

    /// Nil where what was asked for is gone: a process that ends between listing and looking is nothing unusual. Every other
    /// error means that nobody knows.
    static func unlessGone<Result>(_ look: () throws(SystemError) -> Result) throws(SystemError) -> Result? {
        do {
            return try look()
        } catch  where error.errno == ENOENT || error.errno == ESRCH {
            return nil
        }
    }

    private static func decimal(_ text: UnsafePointer<CChar>) -> CInt? {
        var value: CInt = 0
        var index = 0
        while text[index] != 0 {
            guard text[index] >= 48, text[index] <= 57 else { return nil }
            value = value &* 10 &+ CInt(text[index] - 48)
            index += 1
        }
        return index > 0 ? value : nil
    }
}
