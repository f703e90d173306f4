import RuntimeCore

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

    private let size: Int
    private let maximumWaiters: Int
    /// The last one returned is lent first: what is not needed stays cold.
    private var idle: [PooledConnection] = []
    /// Connections that exist, idle or lent.
    private var connected = 0
    private var opening = 0
    private var lines = PoolLine.Kind.allCases.map(PoolLine.init)
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
        if let failure, connected == 0, opening == 0, now < failure.nextAttempt {
            return [.refuse(failure.error, waiter)]
        }
        if lines.reduce(0, { $0 + $1.waiters.count }) >= maximumWaiters {
            return [.refuse(PostgresError(.poolExhausted, "too many wait for a connection"), waiter)]
        }
        lines[waiter.kind.rawValue].waiters.append(waiter)
        var effects = handIdle(at: now)
        if effects.isEmpty {
            effects = openIfNeeded(at: now)
            if !isWatched {
                isWatched = true
                effects.append(.watchWaiters)
            }
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
        for line in lines.indices {
            if let index = lines[line].waiters.firstIndex(where: { $0.id == id }) {
                return [.refuse(Link.canceled, lines[line].waiters.remove(at: index))]
            }
        }
        canceled.insert(id)
        return []
    }

    /// A cancellation that came too late leaves its mark behind.
    mutating func forgetCancellation(of id: UInt64) { canceled.remove(id) }

    mutating func end(_ borrowers: [PoolWaiter]) {
        for borrower in borrowers { running[borrower.id] = nil }
        lines[borrowers[0].kind.rawValue].end()
    }

    /// Hands out what is idle, to those first who have waited longest.
    private mutating func handIdle(at now: MonotonicTime) -> [Effect] {
        var effects: [Effect] = []
        while let connection = idle.last, let line = nextLine(at: now) {
            idle.removeLast()
            let borrowers = lines[line].begin(at: now)
            for borrower in borrowers { running[borrower.id] = connection.cancellation }
            effects.append(.hand(connection, borrowers))
        }
        return effects
    }

    private func nextLine(at now: MonotonicTime) -> Int? {
        lines.indices.filter { lines[$0].wanted(at: now) > 0 }
            .min { lines[$0].waiters[0].id < lines[$1].waiters[0].id }
    }

    mutating func expireWaiters(at now: MonotonicTime) -> [Effect] {
        let error = failure?.error ?? PostgresError(.poolExhausted, "no connection became free in time")
        return takeWaiters { $0.deadline <= now }.map { .refuse(error, $0) }
    }

    private mutating func takeWaiters(while isMeant: (PoolWaiter) -> Bool = { _ in true }) -> [PoolWaiter] {
        lines.indices.flatMap { line in
            let taken = lines[line].waiters.prefix(while: isMeant)
            lines[line].waiters.removeFirst(taken.count)
            return taken
        }
    }

    /// When the first of those who wait has waited too long; nil, and no longer watched, where nobody waits.
    mutating func nextWaiterDeadline() -> MonotonicTime? {
        let next = lines.compactMap(\.waiters.first?.deadline).min()
        isWatched = next != nil
        return next
    }

    // MARK: Connections

    /// Takes a connection back, or a new one in.
    mutating func accept(_ connection: PooledConnection, at now: MonotonicTime) -> [Effect] {
        if isClosed {
            connected -= 1
            return []
        }
        idle.append(connection)
        return handIdle(at: now) + openIfNeeded(at: now)
    }

    mutating func accept(opened connection: PooledConnection, at now: MonotonicTime) -> [Effect] {
        opening -= 1
        connected += 1
        backoff.reset()
        failure = nil
        return accept(connection, at: now)
    }

    /// A connection broke.
    mutating func lose(at now: MonotonicTime) -> [Effect] {
        connected -= 1
        return handIdle(at: now) + openIfNeeded(at: now)
    }

    mutating func failToOpen(_ error: PostgresError, at now: MonotonicTime) -> [Effect] {
        opening -= 1
        failure = (error, now + backoff.next())
        // Who may still get one that is lent or being made waits on.
        guard connected == 0, opening == 0 else { return [] }
        return takeWaiters().map { .refuse(error, $0) }
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
        return takeWaiters().map { .refuse(PostgresError(.closed, "the pool is shut down"), $0) }
    }

    private mutating func openIfNeeded(at now: MonotonicTime) -> [Effect] {
        let wanted = lines.reduce(0) { $0 + $1.wanted(at: now) }
        guard !isClosed, opening < wanted, connected + opening < size else { return [] }
        if let failure, now < failure.nextAttempt, connected + opening > 0 { return [] }
        opening += 1
        return [.open]
    }
}
