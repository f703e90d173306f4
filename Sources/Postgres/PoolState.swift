import RuntimeCore

/// A caller who waits for a connection.
struct PoolWaiter {
    let id: UInt64
    let deadline: MonotonicTime
    /// Runs on the connection's queue.
    let work: @Sendable (PooledConnection) -> Void
    let refuse: @Sendable (any Error) -> Void
}

/// The bookkeeping of a pool, without I/O: each change answers what has to be done then.
struct PoolState {
    enum Effect {
        case hand(PooledConnection, PoolWaiter)
        case refuse(any Error, PoolWaiter)
        /// Make a connection and report with `accept(opened:)` or `failToOpen`.
        case open
        /// Start watching the deadlines of those who wait.
        case watchWaiters
    }

    private let size: Int
    private let maximumWaiters: Int
    /// The last one returned is lent first: what is not needed stays cold.
    private var idle: [PooledConnection] = []
    /// Connections that exist, idle or lent.
    private var connected = 0
    private var opening = 0
    private var waiters: [PoolWaiter] = []
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
        if let connection = idle.popLast() { return hand(connection, to: waiter) }
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

    /// Ends a wait, or interrupts the statement of a borrower: here, under the lock, since once `end` has been said it would hit the
    /// next one.
    mutating func cancel(_ id: UInt64) -> [Effect] {
        if let cancellation = running[id] {
            cancellation.cancel()
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

    mutating func end(_ id: UInt64) { running[id] = nil }

    private mutating func hand(_ connection: PooledConnection, to waiter: PoolWaiter) -> [Effect] {
        running[waiter.id] = connection.cancellation
        return [.hand(connection, waiter)]
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
        if waiters.isEmpty {
            idle.append(connection)
            return []
        }
        return hand(connection, to: waiters.removeFirst())
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
        return openIfNeeded(at: now)
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
        guard !isClosed, opening < waiters.count, connected + opening < size else { return [] }
        if let failure, now < failure.nextAttempt, connected + opening > 0 { return [] }
        opening += 1
        return [.open]
    }
}
