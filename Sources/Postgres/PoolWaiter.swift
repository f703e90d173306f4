import RuntimeCore

/// A caller who waits for a connection.
struct PoolWaiter {
    enum Work {
        /// Has the connection for itself.
        case alone(@Sendable (isolated PostgresConnection, Cancellation) -> LoanEnd)
        /// Goes out together with those of its kind that wait behind it.
        case shared(SharedStatement)
    }

    let id: UInt64
    let deadline: MonotonicTime
    let work: Work
    let refuse: @Sendable (any Error) -> Void

    var kind: PoolLine.Kind {
        switch work {
        case .alone: .alone
        case .shared(let statement): statement.changes ? .write : .read
        }
    }
}

/// A statement that may share a round trip, and then a transaction, with others.
struct SharedStatement: Sendable {
    let query: Query
    /// Whether it changes something; such statements share nothing with those that only read.
    let changes: Bool
    /// Statements of one transaction run in this order.
    let order: String
    /// Nil says that the connection turned out to be dead.
    let end: @Sendable (Result<[Row]?, any Error>) -> Void
}

/// What is to be done once a connection's borrowers have done their work.
struct LoanEnd: Sendable {
    let isReusable: Bool
    /// Hands the results over.
    let tell: @Sendable () -> Void
}
