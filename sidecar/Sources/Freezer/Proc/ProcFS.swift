private import CShims
private import Glibc
package import RuntimeCore

/// Reading /proc and other files that are small.
package enum ProcFS {
    /// The whole of a small file.
    package static func read(_ path: String, in directory: CInt = AT_FDCWD) throws(SystemError) -> [UInt8] {
        let file = try open(path, in: directory, CInt(O_RDONLY))
        return try read(open: file.raw, path)
    }

    /// The beginning of a file that somebody else may have put there; nothing of what is no regular file.
    package static func beginning(of path: String, atMost size: Int) throws(SystemError) -> [UInt8] {
        let file = try open(path, CInt(O_RDONLY) | CInt(O_NONBLOCK) | CInt(O_NOCTTY))
        guard try identify("/proc/self/fd/\(file.raw)").isRegular else { return [] }
        return try withStart(of: file.raw, path, atMost: size) { Array($0) }
    }

    /// The whole of a small file that is open, from its beginning.
    static func read(open file: CInt, _ path: String) throws(SystemError) -> [UInt8] {
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = try systemCall("pread", path) { pread(file, &chunk, chunk.count, off_t(bytes.count)) }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
            // A directory of /proc can be read in pieces of any size; larger ones mean fewer calls for long map lists.
            if count == chunk.count, chunk.count < 1 << 18 { chunk = [UInt8](repeating: 0, count: chunk.count * 4) }
        }
    }

    /// The beginning of a file that is open: a line or a few.
    static func start(of file: CInt, _ path: String) throws(SystemError) -> String {
        try withStart(of: file, path, atMost: 256) { String(decoding: $0, as: UTF8.self) }
    }

    /// As `start`, without a copy.
    static func withStart<Result>(
        of file: CInt, _ path: String, atMost size: Int, _ body: (UnsafeRawBufferPointer) -> Result
    ) throws(SystemError) -> Result {
        try withUnsafeTemporaryAllocation(byteCount: size, alignment: 1) { buffer throws(SystemError) -> Result in
            let count = try systemCall("pread", path) { pread(file, buffer.baseAddress, buffer.count, 0) }
            return body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
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
        let directory = try open(path, CInt(O_RDONLY) | CInt(O_DIRECTORY))
        return try entries(in: directory, path)
    }

    /// As `entries`, of a directory that has just been opened.
    static func entries(in directory: borrowing FileDescriptor, _ path: String) throws(SystemError) -> [Entry] {
        let raw = directory.raw
        return try withUnsafeTemporaryAllocation(byteCount: 32_768, alignment: 8) {
            buffer throws(SystemError) -> [Entry] in
            var result: [Entry] = []
            while true {
                let count = try systemCall("getdents64", path) {
                    wvs_getdents64(raw, buffer.baseAddress, buffer.count)
                }
                if count == 0 { return result }
                // d_ino, d_off, d_reclen, d_type, d_name: getdents(2).
                var offset = 0
                while offset < count {
                    let inode = buffer.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
                    let length = buffer.loadUnaligned(fromByteOffset: offset + 16, as: UInt16.self)
                    if let number = decimal(buffer[(offset + 19)..<(offset + Int(length))]) {
                        result.append(Entry(number: number, inode: inode))
                    }
                    offset += Int(length)
                }
            }
        }
    }

    /// The numbers among a directory's entries: processes, threads or descriptors.
    static func numbers(_ path: String) throws(SystemError) -> [CInt] { try entries(path).map(\.number) }

    /// The mount that a file was opened by: `mnt_id` of proc_pid_fdinfo(5); nil once the descriptor is closed.
    static func mount(ofDescriptor path: String) throws(SystemError) -> Int? {
        let text = try unlessGone { () throws(SystemError) in try read(path) } ?? []
        let line = text.split(separator: UInt8(ascii: "\n")).first { $0.starts(with: "mnt_id:".utf8) }
        return line.flatMap { Int(String(decoding: $0.dropFirst(7), as: UTF8.self).filter(\.isNumber)) }
    }

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

    private static func decimal(_ name: some Sequence<UInt8>) -> CInt? {
        var value: CInt?
        for byte in name {
            if byte == 0 { return value }
            guard byte >= UInt8(ascii: "0"), byte <= UInt8(ascii: "9") else { return nil }
            value = (value ?? 0) &* 10 &+ CInt(byte - UInt8(ascii: "0"))
        }
        return value
    }
}
