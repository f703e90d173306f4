private import Glibc
import RuntimeCore

/// One poll(2) over a few descriptors.
struct PollSet {
    private var entries: [pollfd] = []

    /// - Parameter descriptors: negative ones are never ready.
    init(_ descriptors: [CInt]) { entries = descriptors.map { pollfd(fd: $0, events: Int16(POLLIN), revents: 0) } }

    /// Waits until one is ready or the time has passed.
    ///
    /// - Parameter timeout: nil waits for good. Rounded up to a millisecond: never a busy loop.
    mutating func wait(_ timeout: Duration?) {
        let milliseconds = timeout.map { CInt(clamping: ($0 + .nanoseconds(999_999)).wholeMilliseconds) } ?? -1
        // -1 is EINTR at most: every signal that matters comes through a descriptor.
        if poll(&entries, nfds_t(entries.count), milliseconds) <= 0 {
            for index in entries.indices { entries[index].revents = 0 }
        }
    }

    /// Whether the descriptor at this place can be read, or has come to its end.
    func isReady(_ index: Int) -> Bool { entries[index].revents != 0 }
}
