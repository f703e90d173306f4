private import CShims
private import Glibc
import RuntimeCore

/// A thread of its own for a piece of work, to be joined once. Not a pooled one: workers change what belongs to a thread,
/// such as its umask.
struct WorkerThread: @unchecked Sendable {
    // Unchecked: `pthread_t` is an opaque handle that any thread may join.
    private let raw: pthread_t

    init(name: String, _ body: @escaping @Sendable () -> Void) throws(SystemError) {
        let context = Unmanaged.passRetained(ThreadBody(name: name, body))
        var thread = pthread_t()
        let code = pthread_create(&thread, nil, runThreadBody, context.toOpaque())
        if code != 0 {
            context.release()
            throw SystemError("pthread_create", name, errno: code)
        }
        raw = thread
    }

    /// Waits until the work is done.
    func join() { pthread_join(raw, nil) }

    /// - Returns: whether the work is done; then the thread is no more.
    func join(within time: Duration) -> Bool {
        wvs_join_until(raw, (MonotonicTime.now + time).nanoseconds) != ETIMEDOUT
    }
}

private final class ThreadBody: Sendable {
    let name: String
    let body: @Sendable () -> Void

    init(name: String, _ body: @escaping @Sendable () -> Void) {
        self.name = name
        self.body = body
    }
}

private func runThreadBody(_ context: UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? {
    guard let context else { return nil }
    let thread = Unmanaged<ThreadBody>.fromOpaque(context).takeRetainedValue()
    wvs_set_thread_name(thread.name)
    thread.body()
    return nil
}
