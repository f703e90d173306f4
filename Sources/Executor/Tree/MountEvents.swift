private import CShims
private import Glibc
import RuntimeCore

/// Tells whether anything was mounted or unmounted where this process can see it (proc(5): `mountinfo` and poll(2)).
struct MountEvents: ~Copyable {
    private let table: FileDescriptor

    /// From now on.
    init() throws(SystemError) {
        let path = "/proc/self/mountinfo"
        table = FileDescriptor(owning: try systemCall("open", path) { wvs_open(path, O_RDONLY | O_CLOEXEC, 0) })
    }

    /// Whether something has happened since this was made, or asked last.
    func haveCome() throws(SystemError) -> Bool {
        var descriptor = pollfd(fd: table.raw, events: Int16(POLLPRI), revents: 0)
        return try systemCall("poll", "mountinfo") { poll(&descriptor, 1, 0) } > 0
    }
}
