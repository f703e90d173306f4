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

    /// Nil where it has its connection for itself.
    fileprivate var kind: SharedStatement.Kind? {
        if case .shared(let statement) = work { statement.kind } else { nil }
    }
}

/// A statement that may share a round trip, and then a transaction, with others.
struct SharedStatement: Sendable {
    enum Kind: CaseIterable { case read, write }

    let kind: Kind
    let query: Query
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

/// The bookkeeping of a pool, without I/O: each change answers what has to be done then.
struct PoolState {
    enum Effect {
        /// To one caller, or to several who share it.
        case hand(PooledConnection, [PoolWaiter])
        case refuse(any Error, PoolWaiter)
        /// Make a connection and report with `accept(opened:)` or `failToOpen`.
        case open
        /// Start watching the deadlines of those who wait.
        case watchWaiters
    }

    /// Round trips of a kind at a time. A statement that waits for one of them to end goes out with all that came meanwhile; sent at
    /// once, on a connection of its own, it would cost more than it gains.
    private static let mostTrips = 2
    /// How many share a round trip at most: their answers wait for each other.
    private static let mostShared = 16

    private let size: Int
    private let maximumWaiters: Int
    /// The last one returned is lent first: what is not needed stays cold.
    private var idle: [PooledConnection] = []
    /// Connections that exist, idle or lent.
    private var connected = 0
    private var opening = 0
    private var waiters: [PoolWaiter] = []
    /// Shared round trips that are under way.
    private var trips = Dictionary(uniqueKeysWithValues: SharedStatement.Kind.allCases.map { ($0, 0) })
    /// Waiters cancelled before they could queue up.
    private var canceled: Set<UInt64> = []
    /// What interrupts the present borrowers.
    private var running: [UInt64: Cancellation] = [:]
    private var lastID: UInt64 = 0
    private var isWatched = false
    private var isClosed = false
    private var backoff = ReconnectBackoff()
    private var failure: (error: PostgresError, nextAttempt: MonotonicTime)?

    init(size: Int, maximumWaiters: Int) {
        self.size = size
        self.maximumWaiters = maximumWaiters
    }

    /// Whether the last attempt to connect failed.
    var isUnreachable: Bool { failure != nil }

    var isEmpty: Bool { connected == 0 && opening == 0 }

    // MARK: Requests

    mutating func newWaiterID() -> UInt64 {
        lastID += 1
        return lastID
    }

    mutating func request(_ waiter: PoolWaiter, at now: MonotonicTime) -> [Effect] {
        if canceled.remove(waiter.id) != nil { return [.refuse(Link.canceled, waiter)] }
        if isClosed { return [.refuse(PostgresError(.closed, "the pool is shut down"), waiter)] }
        if mayRun(waiter), let connection = idle.popLast() { return [hand(connection, to: [waiter])] }
        if let failure, connected == 0, opening == 0, now < failure.nextAttempt {
            return [.refuse(failure.error, waiter)]
        }
        if waiters.count >= maximumWaiters {
            return [.refuse(PostgresError(.poolExhausted, "too many wait for a connection"), waiter)]
        }
        waiters.append(waiter)
        var effects = openIfNeeded(at: now)
        if !isWatched {
            isWatched = true
            effects.append(.watchWaiters)
        }
        return effects
    }

    /// Ends a wait, or interrupts the statements of a connection whose borrowers have all been cancelled: here, under the lock, since
    /// once `end` has been said it would hit the next one.
    mutating func cancel(_ id: UInt64) -> [Effect] {
        if let cancellation = running.removeValue(forKey: id) {
            if !running.values.contains(where: { $0 === cancellation }) { cancellation.cancel() }
            return []
        }
        guard let index = waiters.firstIndex(where: { $0.id == id }) else {
            canceled.insert(id)
            return []
        }
        return [.refuse(Link.canceled, waiters.remove(at: index))]
    }

    /// A cancellation that came too late leaves its mark behind.
    mutating func forgetCancellation(of id: UInt64) { canceled.remove(id) }

    mutating func end(_ borrowers: [PoolWaiter]) {
        for borrower in borrowers { running[borrower.id] = nil }
        if let kind = borrowers[0].kind { trips[kind, default: 0] -= 1 }
    }

    private mutating func hand(_ connection: PooledConnection, to borrowers: [PoolWaiter]) -> Effect {
        for borrower in borrowers { running[borrower.id] = connection.cancellation }
        if let kind = borrowers[0].kind { trips[kind, default: 0] += 1 }
        return .hand(connection, borrowers)
    }

    private func mayRun(_ waiter: PoolWaiter) -> Bool { waiter.kind.map { freeTrips($0) > 0 } ?? true }

    private func freeTrips(_ kind: SharedStatement.Kind) -> Int { PoolState.mostTrips - (trips[kind] ?? 0) }

    /// Hands out what is idle: to the first who may run, and to those who can share it.
    private mutating func handIdle() -> [Effect] {
        var effects: [Effect] = []
        while let connection = idle.last, let index = waiters.firstIndex(where: mayRun) {
            idle.removeLast()
            effects.append(hand(connection, to: takeWaiters(from: index)))
        }
        return effects
    }

    private mutating func takeWaiters(from index: Int) -> [PoolWaiter] {
        guard let kind = waiters[index].kind else { return [waiters.remove(at: index)] }
        var taken: [PoolWaiter] = []
        var left: [PoolWaiter] = []
        for waiter in waiters {
            if waiter.kind == kind, taken.count < PoolState.mostShared {
                taken.append(waiter)
            } else {
                left.append(waiter)
            }
        }
        waiters = left
        return taken
    }

    mutating func expireWaiters(at now: MonotonicTime) -> [Effect] {
        let late = waiters.prefix { $0.deadline <= now }
        waiters.removeFirst(late.count)
        let error = failure?.error ?? PostgresError(.poolExhausted, "no connection became free in time")
        return late.map { .refuse(error, $0) }
    }

    /// When the first of those who wait has waited too long; nil, and no longer watched, where nobody waits.
    mutating func nextWaiterDeadline() -> MonotonicTime? {
        isWatched = !waiters.isEmpty
        return waiters.first?.deadline
    }

    // MARK: Connections

    /// Takes a connection back, or a new one in.
    mutating func accept(_ connection: PooledConnection) -> [Effect] {
        if isClosed {
            connected -= 1
            return []
        }
        idle.append(connection)
        return handIdle()
    }

    mutating func accept(opened connection: PooledConnection) -> [Effect] {
        opening -= 1
        connected += 1
        backoff.reset()
        failure = nil
        return accept(connection)
    }

    /// A connection broke.
    mutating func lose(at now: MonotonicTime) -> [Effect] {
        connected -= 1
        return handIdle() + openIfNeeded(at: now)
    }

    mutating func failToOpen(_ error: PostgresError, at now: MonotonicTime) -> [Effect] {
        opening -= 1
        failure = (error, now + backoff.next())
        // Who may still get one that is lent or being made waits on.
        guard connected == 0, opening == 0 else { return [] }
        defer { waiters = [] }
        return waiters.map { .refuse(error, $0) }
    }

    /// Makes sure that there is at least one connection.
    mutating func warmUp(at now: MonotonicTime) -> [Effect] {
        guard !isClosed, connected + opening == 0, now >= failure?.nextAttempt ?? now else { return [] }
        opening = 1
        return [.open]
    }

    mutating func takeIdle() -> [PooledConnection] {
        defer { idle = [] }
        return idle
    }

    func pauseBeforeUpkeep(_ usual: Duration, at now: MonotonicTime) -> Duration {
        guard let failure, connected == 0 else { return usual }
        // While an attempt is under way there is nothing to do but to look again.
        return opening > 0 ? .milliseconds(250) : max(.milliseconds(10), failure.nextAttempt - now)
    }

    mutating func close() -> [Effect] {
        isClosed = true
        connected -= idle.count
        idle = []
        defer { waiters = [] }
        return waiters.map { .refuse(PostgresError(.closed, "the pool is shut down"), $0) }
    }

    private mutating func openIfNeeded(at now: MonotonicTime) -> [Effect] {
        let wanted = SharedStatement.Kind.allCases.reduce(waiters.count { $0.kind == nil }) { wanted, kind in
            wanted + min(freeTrips(kind), waiters.count { $0.kind == kind })
        }
        guard !isClosed, opening < wanted, connected + opening < size else { return [] }
        if let failure, now < failure.nextAttempt, connected + opening > 0 { return [] }
        opening += 1
        return [.open]
    }
}
