import RuntimeCore
import Runtime

/// One session with the server, on a serial queue of its own.
///
/// Its calls block that queue, never a cooperative thread, and are synchronous: work that belongs together is one closure with
/// the connection `isolated`, one hop however many statements it sends.
package actor PostgresConnection {
    private static let preparedStatements = 256

    private let executor = SerialQueueExecutor(label: "postgres")
    private let link: Link
    private var statements = StatementCache(capacity: PostgresConnection.preparedStatements)

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// The server's process for this session, as in `pg_stat_activity`.
    package nonisolated let processID: Int32

    /// Connects. Blocks the calling thread until it has: call it on a `BlockingPool`.
    init(connecting settings: ConnectionSettings) throws(PostgresError) {
        link = try Link(settings)
        processID = link.processID
    }

    /// Settings of the session that decoding relies on.
    func prepareSession() throws(PostgresError) {
        try script("SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'")
    }

    // MARK: Statements

    /// Runs one statement and answers its rows.
    @discardableResult
    package func query(_ query: Query) throws(PostgresError) -> [Row] { try run(query).rows }

    /// Runs one statement and answers how many rows it inserted, updated or deleted.
    @discardableResult
    package func execute(_ query: Query) throws(PostgresError) -> Int { try run(query).affected }

    /// Runs statements that libpq sends in one go, and answers the rows of each.
    ///
    /// The first that fails is thrown and those after it do not run. Outside a transaction they are one: all or nothing.
    package func pipeline(_ queries: [Query]) throws(PostgresError) -> [[Row]] {
        guard !queries.isEmpty else { return [] }
        try checkCanceled()
        try link.enterPipeline()
        var steps: [Step] = []
        var names: [String: String] = [:]
        for query in queries {
            var name = names[query.sql] ?? statements.name(for: query.sql)
            if name == nil {
                let new = statements.newName()
                try link.sendPrepare(query.sql, as: new)
                steps.append(.prepare(sql: query.sql, name: new))
                name = new
                names[query.sql] = new
            }
            try link.sendExecute(name ?? "", query.parameters)
            steps.append(.execute(sql: query.sql))
        }
        try link.sendPipelineEnd()
        let (results, failure) = try receive(steps)
        try link.exitPipeline()
        try evictStatements()
        if let failure { throw failure }
        return results
    }

    /// Runs SQL text as it is: several statements, separated by semicolons, without parameters. Outside a transaction they are
    /// one, unless the text itself says otherwise.
    package func script(_ sql: String) throws(PostgresError) {
        try checkCanceled()
        try link.send(script: sql)
        _ = try receiveAll()
    }

    private func run(_ query: Query) throws(PostgresError) -> QueryResult {
        do {
            return try runOnce(query)
        } catch {
            // 0A000: the tables changed under a prepared plan; 26000: somebody deallocated it. Once more, with a new one.
            guard error.sqlState == "0A000" || error.sqlState == "26000", let name = statements.remove(query.sql),
                !link.isInTransaction
            else { throw error }
            if error.sqlState == "0A000" { try script("DEALLOCATE \(name)") }
            return try runOnce(query)
        }
    }

    private func runOnce(_ query: Query) throws(PostgresError) -> QueryResult {
        try checkCanceled()
        let name: String
        if let known = statements.name(for: query.sql) {
            name = known
        } else {
            name = statements.newName()
            try link.sendPrepare(query.sql, as: name)
            _ = try receiveAll()
            statements.insert(query.sql, name: name)
            try evictStatements()
        }
        try link.sendExecute(name, query.parameters)
        guard let result = try receiveAll() else { throw link.broken("the server answered nothing") }
        return result
    }

    private func evictStatements() throws(PostgresError) {
        // An aborted transaction takes no command; the next statement evicts.
        guard !link.isInFailedTransaction else { return }
        for name in statements.evict() {
            try link.send(script: "DEALLOCATE \(name)")
            _ = try receiveAll()
        }
    }

    // MARK: Results

    private enum Step {
        case prepare(sql: String, name: String)
        case execute(sql: String)
    }

    /// Reads to the end of what was sent: the last result, or the first failure.
    private func receiveAll() throws(PostgresError) -> QueryResult? {
        var last: QueryResult?
        var failure: PostgresError?
        while let result = try link.nextResult() {
            switch result.outcome {
            case .ok: last = result
            case .failed: failure = failure ?? link.error(of: result)
            case .aborted, .pipelineEnd, .unexpected: throw link.broken("a statement that this client does not speak")
            }
        }
        if let failure { throw failure }
        return last
    }

    /// Reads what a pipeline answers, to its end, so that the connection is in step again.
    private func receive(_ steps: [Step]) throws(PostgresError) -> ([[Row]], PostgresError?) {
        var rows: [[Row]] = []
        var failure: PostgresError?
        for step in steps {
            while let result = try link.nextResult() {
                switch (result.outcome, step) {
                case (.ok, .prepare(let sql, let name)): statements.insert(sql, name: name)
                case (.ok, .execute): rows.append(result.rows)
                case (.failed, .prepare): failure = failure ?? link.error(of: result)
                case (.failed, .execute(let sql)):
                    let error = link.error(of: result)
                    if error.sqlState == "0A000" || error.sqlState == "26000" { _ = statements.remove(sql) }
                    failure = failure ?? error
                case (.aborted, _): break
                case (.pipelineEnd, _), (.unexpected, _): throw link.broken("the answers are out of step")
                }
            }
        }
        guard try link.nextResult()?.outcome == .pipelineEnd else { throw link.broken("the answers are out of step") }
        return (rows, failure)
    }

    // MARK: Transactions

    /// Runs `body` in a transaction (READ COMMITTED) and rolls back if it throws.
    ///
    /// A cancellation ends `body`, but not the COMMIT: its outcome would be unknown. A `.connectionLost` error may come from the
    /// COMMIT itself; then whether it took place is unknown.
    package func transaction<Result>(_ body: (isolated PostgresConnection) throws -> Result) throws -> Result {
        try script("BEGIN ISOLATION LEVEL READ COMMITTED")
        let result: Result
        do {
            result = try body(self)
            try checkCanceled()
            if link.isInFailedTransaction {
                throw PostgresError(.sqlState, "a statement failed, nothing was committed", sqlState: "25P02")
            }
        } catch {
            rollBack()
            throw error
        }
        try uninterrupted { () throws(PostgresError) in try script("COMMIT") }
        return result
    }

    /// A failure breaks the connection; the server then rolls back by itself.
    private func rollBack() {
        guard !link.isBroken else { return }
        do {
            try uninterrupted { () throws(PostgresError) in try script("ROLLBACK") }
        } catch {
            _ = link.broken()
        }
    }

    private func uninterrupted(_ body: () throws(PostgresError) -> Void) throws(PostgresError) {
        let cancellation = link.cancellation
        link.cancellation = nil
        defer { link.cancellation = cancellation }
        try body()
    }

    // MARK: Lending

    /// What became of a borrower's closure.
    enum Loan<Result: Sendable>: Sendable {
        /// The server had hung up before; the closure did not run.
        case stale
        /// It ran. The next borrower can have the connection if `isReusable`.
        case ended(Swift.Result<Result, any Error>, isReusable: Bool)
    }

    /// Runs a borrower's closure; `cancellation` interrupts its statements.
    func lend<Result>(
        interruptedBy cancellation: Cancellation, _ body: @Sendable (isolated PostgresConnection) throws -> Result
    ) -> Loan<Result> {
        // One system call, no round trip.
        guard link.isUsable else { return .stale }
        let result = Swift.Result { try use(interruptedBy: cancellation, body) }
        return .ended(result, isReusable: link.isUsable)
    }

    /// Runs a closure for the one owner that this connection has.
    func use<Result>(
        interruptedBy cancellation: Cancellation, _ body: @Sendable (isolated PostgresConnection) throws -> Result
    ) throws -> Result {
        link.cancellation = cancellation
        defer { link.cancellation = nil }
        return try body(self)
    }

    private func checkCanceled() throws(PostgresError) {
        if link.isBroken { throw PostgresError(.connectionLost, "the connection broke earlier") }
        if link.cancellation?.isCancelled == true { throw Link.canceled }
    }

    // MARK: Notifications

    /// Blocks this connection's queue until something was notified; empty after `timeout` or when interrupted.
    func waitForNotifications(_ timeout: Duration) throws(PostgresError) -> [ServerNotification] {
        try link.waitForNotifications(timeout)
    }
}
