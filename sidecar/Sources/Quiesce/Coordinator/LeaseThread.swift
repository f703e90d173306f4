private import CShims
private import Glibc
import RuntimeCore

/// Renews a freeze's lease every third of it, while the caller of `freeze` is busy reading the tree.
///
/// Started with the request, so that nobody waits for it frozen; it leaves the document alone until the freeze stands.
final class LeaseThread {
    private var thread: pthread_t?
    private let stopping: Cancellation
    private let work: Work

    /// - Parameter task: once it is cancelled the lease is left to end: a read that hangs must not keep agents frozen for ever.
    ///   Cancelled where the freeze is found broken: what is still being read is void.
    init(_ session: FreezeSession, of task: Cancellation, logger: Logger) throws(SystemError) {
        stopping = try Cancellation()
        work = Work(session: session, task: task, stopping: stopping, logger: logger)
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Work>.fromOpaque(context).takeRetainedValue().run() }
                return nil
            }, Unmanaged.passRetained(work).toOpaque())
        guard code == 0 else {
            Unmanaged.passUnretained(work).release()
            throw SystemError("pthread_create", errno: code)
        }
        self.thread = thread
    }

    deinit {
        stop()
        stopping.cancel()
        if let thread { pthread_join(thread, nil) }
    }

    /// From here on nobody but the caller writes. The thread itself ends later: agents who stand still need not wait for that.
    func stop() { work.stop() }

    private final class Work: Sendable {
        private let session: FreezeSession
        private let task: Cancellation
        private let stopping: Cancellation
        private let logger: Logger
        /// Held while the document is looked at and written.
        private let isStopped = Mutex(false)

        init(session: FreezeSession, task: Cancellation, stopping: Cancellation, logger: Logger) {
            self.session = session
            self.task = task
            self.stopping = stopping
            self.logger = logger
        }

        func stop() { isStopped.withLock { $0 = true } }

        /// Nil once it is over.
        private func renew() throws(SystemError) -> CoordinatorMachine.Step? {
            try isStopped.withLock { isStopped throws(SystemError) in isStopped ? nil : try session.renew() }
        }

        func run() {
            _ = wvs_set_thread_name("freeze-lease")
            var due = session.nextDue
            while true {
                var stop = pollfd(fd: stopping.descriptor, events: Int16(POLLIN), revents: 0)
                _ = poll(&stop, 1, CInt(clamping: (due.remaining + .microseconds(999)).wholeMilliseconds))
                if stopping.isCancelled || task.isCancelled { return }
                do {
                    guard let step = try renew() else { return }
                    if case .failed(let reason) = step {
                        // The caller is told by `check` and `resume`.
                        logger.warn("the freeze is broken", [.reason: LogValue(reason)])
                        return task.cancel()
                    }
                } catch {
                    logger.warn("the freeze's lease could not be renewed", [.error: LogValue(error)])
                }
                // Not at once: it may be the caller who is about to write.
                due = max(session.nextDue, .now + .milliseconds(10))
            }
        }
    }
}
