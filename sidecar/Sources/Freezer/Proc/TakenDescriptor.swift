private import CShims
private import Glibc
import RuntimeCore

/// A descriptor of another process, taken from it: what is left where its list may not be read. `/proc/<pid>/fd` of another user
/// asks for CAP_DAC_READ_SEARCH, pidfd_getfd(2) only for CAP_SYS_PTRACE.
struct TakenDescriptor {
    let number: CInt
    let file: FileStatus
    let isOpenForWriting: Bool
    /// From the top of the namespace that it was opened in; nil where it has no name.
    let path: String?
    /// As mountinfo numbers it; of what may be written to.
    let mount: Int?

    /// The descriptors of a thread, one after the other. Each number that its table has room for is tried.
    static func forEach(_ process: ProcessID, _ thread: ProcessID, _ body: (TakenDescriptor) -> Void)
        throws(SystemError)
    {
        let size = try tableSize(thread)
        let pidfd = FileDescriptor(
            owning: try systemCall("pidfd_open", String(thread)) {
                thread == process ? wvs_pidfd_open(process, 0) : wvs_pidfd_open_thread(thread)
            })
        for number in 0..<size {
            let raw = wvs_pidfd_getfd(pidfd.raw, number)
            if raw == -1, lastErrno == EBADF { continue }
            if raw == -1 { throw SystemError("pidfd_getfd", String(thread)) }
            let own = FileDescriptor(owning: raw)
            let link = "/proc/self/fd/\(own.raw)"
            let isOpenForWriting = fcntl(own.raw, F_GETFL) & O_ACCMODE != O_RDONLY
            body(
                TakenDescriptor(
                    number: number, file: try identify(link), isOpenForWriting: isOpenForWriting,
                    path: ProcFS.target(link),
                    mount: isOpenForWriting ? try ProcFS.mount(ofDescriptor: "/proc/self/fdinfo/\(own.raw)") : nil))
        }
    }

    /// `FDSize` of proc(5), which anybody may read.
    private static func tableSize(_ thread: ProcessID) throws(SystemError) -> CInt {
        let path = "/proc/\(thread)/status"
        for line in try ProcFS.read(path).split(separator: UInt8(ascii: "\n")) where line.starts(with: "FDSize:".utf8) {
            let digits = line.filter { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            if let size = CInt(String(decoding: digits, as: UTF8.self)) { return size }
        }
        throw SystemError("read", path, errno: ENODATA)
    }
}
