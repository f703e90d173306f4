private import Dispatch
private import Glibc
import RuntimeCore

extension Directory {
    /// Makes the tree `name`, and whatever else was written to the file system, durable.
    ///
    /// syncfs(2) can not be interrupted and may take long where others write: a cancelled caller goes on at once and leaves
    /// it to end by itself.
    func syncTree(_ name: String, _ cancellation: Cancellation) throws {
        let ended = try Cancellation()
        let failure = Mutex<(any Error)?>(nil)
        DispatchQueue(label: "executor.sync").async { [self] in
            do {
                try SyncTree.sync(in: raw, name, cancellation: cancellation)
            } catch {
                failure.withLock { $0 = error }
            }
            ended.cancel()
        }
        var descriptors = [ended, cancellation].map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
        try systemCall("poll", subject(name)) { poll(&descriptors, nfds_t(descriptors.count), -1) }
        guard ended.isCancelled else { throw CancellationError() }
        if let failure = failure.withLock({ $0 }) { throw failure }
    }
}
