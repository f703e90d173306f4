private import Dispatch
import Runtime
package import RuntimeCore

/// Connections to one database, lent for the length of a closure.
///
/// Connections are made as they are needed, up to `size`, and kept. One whose server went away is noticed before it is lent
/// again. While nobody answers, callers are refused at once with the reason, and new attempts are made with backoff; the pool is
/// ready again by itself.
///
/// It works without `run()`, which adds upkeep: it connects ahead of the first caller and after a failure, and looks after idle
/// connections.
package final class PostgresPool: Service {
    package let name = "postgres pool"
    private let settings: ConnectionSettings
    private let limits: Limits
    private let onConnect: @Sendable (isolated PostgresConnection) throws -> Void
    private let logger: Logger
    private let opener: BlockingPool
    private let state: Mutex<PoolState>
    private let stopping = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    package struct Limits: Sendable {
        /// Most connections at a time.
        package var size: Int
        /// How long a caller waits for a connection.
        package var wait = Duration.seconds(5)
        /// How many callers may wait.
        package var waiters = 4096
        /// How often `run()` looks after idle connections.
        package var upkeep = Duration.seconds(10)

        package init(size: Int) { self.size = size }
    }

    package convenience init(dsn: String, size: Int, applicationName: String = "wvs", logger: Logger) {
        self.init(ConnectionSettings(dsn: dsn, applicationName: applicationName), Limits(size: size), logger: logger)
    }

    /// - Parameter onConnect: runs on every new connection before it is lent, for example to take an advisory lock of the session.
    package init(
        _ settings: ConnectionSettings, _ limits: Limits, logger: Logger,
        onConnect: @escaping @Sendable (isolated PostgresConnection) throws -> Void = { _ in }
    ) {
        precondition(limits.size > 0, "a pool needs room for one connection")
        self.settings = settings
        self.limits = limits
        self.onConnect = onConnect
        self.logger = logger
        opener = BlockingPool(label: "postgres.connect", width: limits.size)
        state = Mutex(PoolState(size: limits.size, maximumWaiters: limits.waiters))
    }

    // MARK: Borrowing

    /// Lends a connection to `body`, which runs on it without suspension.
    ///
    /// Cancelling the task ends the wait for a connection, and the statement that runs. A connection left inside a transaction, or
    /// broken, is not lent again.
    package func withConnection<Result: Sendable>(
        _ body: @escaping @Sendable (isolated PostgresConnection) throws -> Result
    ) async throws -> Result {
        while true {
            if let result = try await borrow(body) { return result }
        }
    }

    /// Runs `body` in a transaction: commits when it returns, rolls back when it throws. See `PostgresConnection.transaction`.
    package func transaction<Result: Sendable>(
        _ body: @escaping @Sendable (isolated PostgresConnection) throws -> Result
    ) async throws -> Result {
        try await withConnection { connection in try connection.transaction(body) }
    }

    /// Runs one statement and answers its rows.
    @discardableResult
    package func query(_ query: Query) async throws -> [Row] {
        try await withConnection { connection in try connection.query(query) }
    }

    /// Runs one statement and answers how many rows it inserted, updated or deleted.
    @discardableResult
    package func execute(_ query: Query) async throws -> Int {
        try await withConnection { connection in try connection.execute(query) }
    }

    /// Runs one SELECT and answers its rows. Where many wait, they share a round trip, which costs little more than one of them alone.
    ///
    /// For statements that are quick and change nothing: the answers of a round trip wait for each other, and after a failure each
    /// statement of it runs again by itself. Cancelling the task interrupts it once nobody else waits for that round trip.
    package func read(_ query: Query) async throws -> [Row] { try await share(query, changes: false) }

    /// Runs one statement that changes something and answers its rows. Where many wait, they share a round trip, a transaction and its
    /// commit.
    ///
    /// For statements that are quick and wait for nobody's locks. When it answers, the change is committed. After a failure each
    /// statement runs again in a transaction of its own, as the failure undid them all. Cancelling the task interrupts it once nobody
    /// else waits for that round trip.
    ///
    /// - Parameter order: in which the statements of one transaction run; where they could insert the same key, that key, or two
    ///   transactions would wait for each other.
    package func write(_ query: Query, order: String) async throws -> [Row] {
        try await share(query, changes: true, order: order)
    }

    private func share(_ query: Query, changes: Bool, order: String = "") async throws -> [Row] {
        while true {
            let rows: [Row]? = try await queueUp { continuation in
                .shared(
                    SharedStatement(query: query, changes: changes, order: order) { continuation.resume(with: $0) })
            }
            if let rows { return rows }
        }
    }

    /// Nil where the connection turned out to be dead before `body` ran.
    private func borrow<Result: Sendable>(
        _ body: @escaping @Sendable (isolated PostgresConnection) throws -> Result
    ) async throws -> Result? {
        try await queueUp { continuation in
            .alone { connection, cancellation in
                switch connection.lend(interruptedBy: cancellation, body) {
                case .stale: LoanEnd(isReusable: false) { continuation.resume(returning: nil) }
                case .ended(let result, let isReusable):
                    LoanEnd(isReusable: isReusable) { continuation.resume(with: result.map(Optional.some)) }
                }
            }
        }
    }

    private func queueUp<Result: Sendable>(
        for work: (CheckedContinuation<Result, any Error>) -> PoolWaiter.Work
    ) async throws -> Result {
        let id = state.withLock { $0.newWaiterID() }
        defer { if Task.isCancelled { state.withLock { $0.forgetCancellation(of: id) } } }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let waiter = PoolWaiter(
                    id: id, deadline: .now + limits.wait, work: work(continuation),
                    refuse: { continuation.resume(throwing: $0) })
                perform { state in state.request(waiter, at: .now) }
            }
        } onCancel: {
            perform { state in state.cancel(id) }
        }
    }

    /// On the connection's queue: where many wait, the thread that has done one borrower's work goes on with the next one's, and nobody
    /// has to be woken for that.
    private func serve(_ borrowers: [PoolWaiter], with held: PooledConnection) {
        let end = held.connection.assumeIsolated { connection in
            if case .alone(let work) = borrowers[0].work { return work(connection, held.cancellation) }
            return connection.serve(sharers: borrowers, interruptedBy: held.cancellation)
        }
        state.withLock { $0.end(borrowers) }
        // The connection first: its next borrower's work is to follow at once.
        if end.isReusable { giveBack(held) } else { discard(held) }
        end.tell()
    }

    private func giveBack(_ held: PooledConnection) {
        // A used-up cancellation would interrupt the next borrower at once.
        if held.cancellation.isCancelled {
            do {
                let fresh = PooledConnection(connection: held.connection, cancellation: try Cancellation())
                perform { state in state.accept(fresh, at: .now) }
            } catch {
                logger.warn("out of file descriptors, closing a connection", [.error: LogValue(error)])
                discard(held)
            }
        } else {
            perform { state in state.accept(held, at: .now) }
        }
    }

    private func discard(_ held: PooledConnection) { perform { state in state.lose(at: .now) } }

    /// Changes the state under its lock and does what follows from it outside.
    private func perform(_ change: (inout PoolState) -> [PoolState.Effect]) {
        for effect in state.withLock(change) {
            switch effect {
            case .hand(let held, let borrowers):
                held.connection.queue.async { self.serve(borrowers, with: held) }
            case .refuse(let error, let waiter): waiter.refuse(error)
            case .open: Task { await open() }
            case .watchWaiters: Task { await watchWaiters() }
            }
        }
    }

    // MARK: Connecting

    private func open() async {
        do {
            let connection = try await opener.run { [settings] in try PostgresConnection(connecting: settings) }
            let cancellation = try Cancellation()
            try await connection.prepareSession()
            try await connection.use(interruptedBy: cancellation, onConnect)
            let wasUnreachable = state.withLock { $0.isUnreachable }
            perform { state in
                state.accept(opened: PooledConnection(connection: connection, cancellation: cancellation), at: .now)
            }
            if wasUnreachable { logger.info("database reachable again") }
        } catch {
            let error = error as? PostgresError ?? PostgresError(.unreachable, "\(error)")
            let first = state.withLock { !$0.isUnreachable }
            perform { state in state.failToOpen(error, at: .now) }
            if first { logger.warn("database unreachable", [.error: LogValue(error)]) }
        }
    }

    /// Refuses those who have waited too long; runs while somebody waits.
    private func watchWaiters() async {
        while let deadline = state.withLock({ $0.nextWaiterDeadline() }) {
            // Never cancelled: this task is nobody's child.
            do { try await Task.sleep(for: deadline.remaining) } catch { return }
            perform { state in state.expireWaiters(at: .now) }
        }
    }

    // MARK: Upkeep

    package func run() async throws {
        perform { state in state.warmUp(at: .now) }
        let upkeep = Task {
            while !Task.isCancelled {
                let pause = state.withLock { $0.pauseBeforeUpkeep(limits.upkeep, at: .now) }
                do { try await Task.sleep(for: pause) } catch { return }
                perform { state in state.warmUp(at: .now) }
                await checkIdle()
            }
        }
        await withTaskCancellationHandler {
            for await _ in stopping.stream { break }
        } onCancel: {
            stopping.continuation.finish()
        }
        upkeep.cancel()
        await upkeep.value
        await close()
    }

    package func shutdown() { stopping.continuation.finish() }

    /// Asks each idle connection for a sign of life.
    private func checkIdle() async {
        for held in state.withLock({ $0.takeIdle() }) {
            let loan = await held.connection.lend(interruptedBy: held.cancellation) { connection in
                try connection.script("")
            }
            if case .ended(.success, true) = loan { giveBack(held) } else { discard(held) }
        }
    }

    /// Closes without `run()`: nobody gets a connection any more, and those lent are awaited.
    package func close() async {
        perform { state in state.close() }
        while !state.withLock({ $0.isEmpty }) {
            do { try await Task.sleep(for: .milliseconds(20)) } catch { return }
        }
    }
}

/// A connection, and what interrupts its present borrower.
struct PooledConnection: Sendable {
    let connection: PostgresConnection
    let cancellation: Cancellation
}
