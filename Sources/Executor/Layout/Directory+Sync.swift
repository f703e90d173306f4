private import CShims
private import Dispatch
private import Glibc
import RuntimeCore

extension Directory {
    /// Makes the tree `name`, and whatever else was written to the file system, durable.
    ///
    /// syncfs(2) can not be interrupted and may take long where others write: a cancelled caller goes on at once and leaves
    /// it to end by itself.
    func syncTree(_ name: String, _ cancellation: Cancellation) throws {
        try interruptibly(name, cancellation) { [self] in
            try SyncTree.sync(in: raw, name, cancellation: cancellation)
        }
    }

    /// Writes everything back that is dirty, where the file system is on this machine; elsewhere does nothing.
    func syncLocalFileSystem(_ cancellation: Cancellation) throws {
        guard LocalFileSystem.holds(raw) else { return }
        try interruptibly(".", cancellation) { [self] in
            try systemCall("syncfs", path) { wvs_sync_file_system(raw) }
        }
    }

    private func interruptibly(
        _ name: String, _ cancellation: Cancellation, _ body: @escaping @Sendable () throws -> Void
    ) throws {
        let ended = try Cancellation()
        let failure = Mutex<(any Error)?>(nil)
        DispatchQueue(label: "executor.sync").async {
            do {
                try body()
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
