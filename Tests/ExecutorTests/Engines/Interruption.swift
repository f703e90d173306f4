private import Glibc
import RuntimeCore

@testable import Executor

/// Cancels work in its middle.
enum Interruption {
    /// Runs `work` and cancels it once it has done `entries` entries.
    ///
    /// On a busy machine it may be over before; then it is run again.
    ///
    /// - Returns: how long it went on after it was cancelled.
    static func run(
        after entries: Int, again: () throws -> Void,
        _ work: @escaping @Sendable (CloneProgress, Cancellation) throws -> Void
    ) async throws -> Duration {
        for _ in 0..<50 {
            let (progress, cancellation) = (CloneProgress(), try Cancellation())
            let running = blockingTask {
                do {
                    try work(progress, cancellation)
                    return MonotonicTime?.none
                } catch is CancellationError {
                    return .now
                }
            }
            let canceling = blockingTask {
                while progress.entries < entries, !cancellation.isCancelled { sched_yield() }
                let start = MonotonicTime.now
                cancellation.cancel()
                return start
            }
            let end: MonotonicTime?
            do {
                end = try await running.value
            } catch {
                cancellation.cancel()
                throw error
            }
            if let end { return end - (try await canceling.value) }
            cancellation.cancel()
            _ = try await canceling.value
            try again()
        }
        throw NeverInterrupted()
    }
}

struct NeverInterrupted: Error {}
