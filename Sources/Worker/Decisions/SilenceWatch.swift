import RuntimeCore
import Store

/// Tells dead workers from those who only lost their sign of life for a moment.
///
/// A restart of PostgreSQL frees the advisory locks of all workers at once; the living take them again and renew. So a worker
/// counts as dead only after it was seen without its lock, and without a renewal, through a whole renewal period.
struct SilenceWatch {
    private let patience: Duration
    private var since: [SilentTask: MonotonicTime] = [:]

    init(patience: Duration) { self.patience = patience }

    /// - Parameter silent: what the database shows now.
    /// - Returns: what has been silent, unchanged, for long enough.
    mutating func observe(_ silent: [SilentTask], at now: MonotonicTime) -> [TaskFence] {
        var next: [SilentTask: MonotonicTime] = [:]
        for task in silent { next[task] = since[task] ?? now }
        since = next
        return silent.filter { now - (next[$0] ?? now) >= patience }.map(\.ownership)
    }

    /// The database could not be asked: what was seen before it went away proves nothing.
    mutating func reset() { since = [:] }
}
