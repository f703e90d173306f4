private import Dispatch
private import RuntimeCore

/// Runs synchronous work that blocks (file system, waits) on threads of its own, at most `width` at a time.
package final class BlockingPool: Sendable {
    /// A serial queue for each slot. A concurrent queue would not do: it runs as many jobs as there are cores, and the next
    /// only when one of those has ended, blocked or not. A serial queue gets a thread whenever it has something to do.
    private let idle: RuntimeCore.Mutex<[DispatchQueue]>
    private let slots: AsyncSemaphore

    package init(label: String, width: Int) {
        idle = RuntimeCore.Mutex((0..<width).map { DispatchQueue(label: "\(label).\($0)") })
        slots = AsyncSemaphore(width)
    }

    /// Runs `body` on a thread of the pool and waits for it without holding a cooperative thread.
    ///
    /// Throws `CancellationError` if the task is cancelled while it waits for a free thread. Once `body` runs, cancelling is
    /// up to `body`.
    package func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await slots.wait()
        defer { slots.signal() }
        let queue = idle.withLock { $0.removeLast() }
        defer { idle.withLock { $0.append(queue) } }
        return try await withCheckedThrowingContinuation { continuation in
            queue.async { continuation.resume(with: Swift.Result { try body() }) }
        }
    }
}
