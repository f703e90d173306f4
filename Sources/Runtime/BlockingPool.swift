private import Dispatch

/// Runs synchronous work that blocks (file system, waits) on threads of its own, at most `width` at a time.
package final class BlockingPool: Sendable {
    private let queue: DispatchQueue
    private let slots: AsyncSemaphore

    package init(label: String, width: Int) {
        queue = DispatchQueue(label: label, attributes: .concurrent)
        slots = AsyncSemaphore(width)
    }

    /// Runs `body` on a thread of the pool and waits for it without holding a cooperative thread.
    ///
    /// Throws `CancellationError` if the task is cancelled while it waits for a free thread. Once `body` runs, cancelling is
    /// up to `body`.
    package func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await slots.wait()
        defer { slots.signal() }
        return try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try body() }) }
        }
    }
}
