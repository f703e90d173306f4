private import CShims
private import Glibc
import RuntimeCore

/// The files that this process may have open at a time.
enum DescriptorTable {
    /// What room is made for; 8 bytes each.
    static let size = 65_536

    /// Raises the limit as far as it may be raised, and has the kernel make room at once: each time that a table of a process with
    /// several threads grows later, whoever opens a file waits 10 to 70 ms, perhaps while an agent stands still.
    static func reserve() throws(SystemError) {
        DescriptorLimit.raise()
        let some = FileDescriptor(owning: try systemCall("open", "/") { wvs_open("/", O_RDONLY | O_CLOEXEC, 0) })
        let last = CInt(min(DescriptorLimit.current, size) - 1)
        _ = FileDescriptor(owning: try systemCall("fcntl", "F_DUPFD") { fcntl(some.raw, F_DUPFD_CLOEXEC, last) })
    }

    /// How many may stay open only to save time later: half of them, so that there are always some for what can not do without.
    static var spare: Int { min(DescriptorLimit.current, size) / 2 }
}
