/// How long to wait before the next try: `min(base · 2^(attempt-1), limit)`.
package struct Backoff: Equatable, Sendable {
    package let base: Duration
    package let limit: Duration

    /// The defaults are those of task retries (seeds 06): 5 s, 10 s, 20 s … 300 s.
    package init(base: Duration = .seconds(5), limit: Duration = .seconds(300)) {
        self.base = base
        self.limit = limit
    }

    /// - Parameter attempt: the attempt that has just failed, from 1.
    package func delay(afterAttempt attempt: Int) -> Duration {
        precondition(attempt >= 1, "attempts count from 1")
        // 2^30 times any base is beyond every limit, and far from overflow.
        return min(base * (1 << min(attempt - 1, 30)), limit)
    }
}
