import RuntimeCore

/// How long this worker may rely on each lease that it holds, by its own clock.
///
/// A lease runs by the database's clock from a moment after the statement that asked for it was sent. So it stands at least until
/// `asked + lease` here, and calls are cancelled a margin before.
struct LeaseBook {
    let lease: Duration
    private var deadlines: [Int: MonotonicTime] = [:]

    init(lease: Duration) { self.lease = lease }

    /// Time between renewals: two may fail.
    var period: Duration { lease / 3 }
    /// Time for a cancelled call to come to an end.
    var margin: Duration { lease / 5 }

    mutating func hold(_ id: Int, askedAt: MonotonicTime) { deadlines[id] = askedAt + (lease - margin) }

    mutating func release(_ id: Int) { deadlines[id] = nil }

    /// When the next lease can no longer be relied on.
    var nextDeadline: MonotonicTime? { deadlines.values.min() }

    /// Lets go of the leases that cannot be relied on any more, and says which.
    mutating func expire(at now: MonotonicTime) -> [Int] {
        let expired = deadlines.filter { $0.value <= now }.map(\.key).sorted()
        expired.forEach { deadlines[$0] = nil }
        return expired
    }
}
