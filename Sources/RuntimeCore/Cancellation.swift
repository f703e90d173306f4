private import CShims
private import Glibc
private import Synchronization

/// Tells synchronous work to stop: a flag to look at, and a descriptor for `poll(2)`.
package final class Cancellation: Sendable {
    /// Readable once cancelled; never read from it.
    package let descriptor: CInt
    // Looked at for each entry of a tree, by all threads at once.
    private let flag = Atomic(false)

    package init() throws(SystemError) {
        descriptor = try systemCall("eventfd") { eventfd(0, CInt(EFD_CLOEXEC | EFD_NONBLOCK)) }
    }

    deinit { close(descriptor) }

    package var isCancelled: Bool { flag.load(ordering: .acquiring) }

    /// Cancels; again does nothing.
    package func cancel() {
        guard !flag.exchange(true, ordering: .acquiringAndReleasing) else { return }
        var one: UInt64 = 1
        // Cannot fail: the counter is 0 and the descriptor lives as long as this object.
        _ = write(descriptor, &one, 8)
    }

    /// Throws `CancellationError` once cancelled.
    package func check() throws(CancellationError) { if isCancelled { throw CancellationError() } }
}
