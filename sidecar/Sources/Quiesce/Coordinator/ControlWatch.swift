private import CShims
private import Glibc
import RuntimeCore

/// Waits for something to happen in `.wvs`: inotify where it works, and a poll beside it always, since events never cross
/// from one mount of a network file system to another.
final class ControlWatch {
    /// Closing an inotify descriptor waits for an RCU grace period, 10 ms and more: those that are done with wait here for
    /// the next handshake.
    private static let idle = Mutex<[CInt]>([])
    private static let mostIdle = 16

    /// Negative where there is none; poll(2) passes over it.
    private let inotify: CInt
    private let document: CInt
    private let registrations: CInt
    /// How often to look although nothing was told.
    let interval: Duration
    /// Something happened among the registrations since this was last cleared.
    var registrationsChanged = true

    /// Without inotify (its limits are per user) only the poll is left: slower, not wrong.
    ///
    /// - Parameter isOnNetwork: what others write may come without an event.
    init(_ directory: CInt, isOnNetwork: Bool) {
        inotify = Self.idle.withLock { $0.popLast() } ?? inotify_init1(CInt(IN_NONBLOCK) | CInt(IN_CLOEXEC))
        let folder = "/proc/self/fd/\(directory)/"
        document = inotify_add_watch(inotify, folder + ControlFile.name, UInt32(IN_MODIFY))
        // A dying sidecar closes its registration, which it holds open for writing.
        registrations = inotify_add_watch(
            inotify, folder + RegistrationFolder.name, UInt32(IN_MOVED_TO | IN_DELETE | IN_CLOSE_WRITE))
        // Each look makes the sidecar look at this process again, while everybody stands still.
        interval = .milliseconds(isOnNetwork || document < 0 ? 2 : 10)
    }

    deinit {
        guard inotify >= 0 else { return }
        for watch in [document, registrations] where watch >= 0 { inotify_rm_watch(inotify, watch) }
        drain()
        let isKept = Self.idle.withLock { idle in
            guard idle.count < Self.mostIdle else { return false }
            idle.append(inotify)
            return true
        }
        if !isKept { close(inotify) }
    }

    /// Returns when something happened, at `deadline`, or once `cancellation` is cancelled.
    func wait(until deadline: MonotonicTime, cancellation: Cancellation) {
        var descriptors = [
            pollfd(fd: cancellation.descriptor, events: Int16(POLLIN), revents: 0),
            pollfd(fd: inotify, events: Int16(POLLIN), revents: 0),
        ]
        let milliseconds = (deadline.remaining + .microseconds(999)).wholeMilliseconds
        // EINTR ends the wait early: the caller looks again in any case.
        _ = poll(&descriptors, nfds_t(descriptors.count), CInt(clamping: milliseconds))
        if descriptors[1].revents != 0 { drain() }
    }

    private func drain() {
        var buffer = [UInt8](repeating: 0, count: 4096)
        while case let count = read(inotify, &buffer, buffer.count), count > 0 {
            buffer.withUnsafeBytes { bytes in
                var offset = 0
                while offset + MemoryLayout<inotify_event>.size <= count {
                    let event = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
                    if event.wd == registrations { registrationsChanged = true }
                    offset += MemoryLayout<inotify_event>.size + Int(event.len)
                }
            }
        }
    }
}
