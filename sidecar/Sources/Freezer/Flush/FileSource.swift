private import CShims
private import Glibc
import RuntimeCore

/// One way to reach an open file's dirty pages.
enum FileSource: Sendable {
    /// A descriptor of a process; `thread` is the process itself unless that thread has a table of its own.
    case descriptor(process: ProcessID, thread: ProcessID, number: CInt)
    /// A shared mapping, as `/proc/<tid>/map_files` names it; `thread` is one that lives.
    case mapping(process: ProcessID, thread: ProcessID, range: String)

    var process: ProcessID {
        switch self {
        case .descriptor(let process, _, _), .mapping(let process, _, _): process
        }
    }

    /// A descriptor on which fsync(2) reaches what the process wrote.
    ///
    /// Best is the process's own: it also works for unlinked files and those without any permission bits. Else the file is
    /// opened again, for writing: on network file systems fsync of a read-only descriptor does nothing.
    func open(expecting identity: FileIdentity) throws(SystemError) -> FileDescriptor {
        switch self {
        case .descriptor(let process, let thread, let number):
            do {
                return try verified(try take(process, thread, number), identity)
            } catch {
                let link = "/proc/\(process)/task/\(thread)/fd/\(number)"
                return try reopen(link, flags: Self.appendFlag(process, thread, number), expecting: identity)
            }
        case .mapping(_, let thread, let range):
            let link = "/proc/\(thread)/map_files/\(range)"
            do throws(SystemError) {
                return try reopen(link, flags: 0, expecting: identity)
            } catch  where error.errno == EPERM {
                // The link asks for a capability; the file's own name may do without.
                guard let path = ProcFS.target(link) else { throw error }
                return try reopen("/proc/\(thread)/root\(path)", flags: 0, expecting: identity)
            }
        }
    }

    private func take(_ process: ProcessID, _ thread: ProcessID, _ number: CInt) throws(SystemError) -> FileDescriptor {
        let pidfd = FileDescriptor(
            owning: try systemCall("pidfd_open", String(thread)) {
                thread == process ? wvs_pidfd_open(process, 0) : wvs_pidfd_open_thread(thread)
            })
        return FileDescriptor(
            owning: try systemCall("pidfd_getfd", String(thread)) { wvs_pidfd_getfd(pidfd.raw, number) })
    }

    private func reopen(_ link: String, flags: CInt, expecting identity: FileIdentity) throws(SystemError)
        -> FileDescriptor
    {
        try verified(
            try ProcFS.open(link, CInt(O_WRONLY) | CInt(O_NONBLOCK) | CInt(O_NOCTTY) | flags), identity)
    }

    /// A name can lead elsewhere than the mapping did, and a process that SIGKILL ends while frozen closes its files.
    private func verified(_ file: consuming FileDescriptor, _ identity: FileIdentity) throws(SystemError)
        -> FileDescriptor
    {
        guard try identify("/proc/self/fd/\(file.raw)").identity == identity else {
            throw SystemError("open", String(file.raw), errno: ENOENT)
        }
        return file
    }

    /// An append-only file (chattr +a) opens for nothing else.
    private static func appendFlag(_ process: ProcessID, _ thread: ProcessID, _ number: CInt) -> CInt {
        guard let text = try? ProcFS.read("/proc/\(process)/task/\(thread)/fdinfo/\(number)") else { return 0 }
        for line in text.split(separator: UInt8(ascii: "\n")) {
            let words = line.split { $0 == UInt8(ascii: ":") || $0 == UInt8(ascii: "\t") }
            if words.count == 2, words[0].elementsEqual("flags".utf8),
                let flags = CInt(String(decoding: words[1], as: UTF8.self), radix: 8)
            {
                return flags & O_APPEND
            }
        }
        return 0
    }
}
