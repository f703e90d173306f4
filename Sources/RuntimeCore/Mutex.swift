private import Glibc

/// A value behind a pthread mutex.
///
/// Not `Synchronization.Mutex`: that one gives false positives under ThreadSanitizer on Linux.
package final class Mutex<Value>: @unchecked Sendable {
    // Unchecked: `value` is touched only inside `withLock`, and `raw` has a stable address of its own.
    private var value: Value
    private let raw: UnsafeMutablePointer<pthread_mutex_t>

    package init(_ value: sending Value) {
        self.value = value
        raw = .allocate(capacity: 1)
        pthread_mutex_init(raw, nil)
    }

    deinit {
        pthread_mutex_destroy(raw)
        raw.deallocate()
    }

    /// Runs `body` with the lock held. Do not block or call out in it.
    package func withLock<Result, Failure: Error>(_ body: (inout Value) throws(Failure) -> Result) throws(Failure)
        -> Result
    {
        pthread_mutex_lock(raw)
        defer { pthread_mutex_unlock(raw) }
        return try body(&value)
    }
}
