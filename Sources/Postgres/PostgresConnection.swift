import Dispatch
import Runtime
import RuntimeCore

/// One session with the server, on a serial queue of its own.
///
/// Its calls block that queue, never a cooperative thread, and are synchronous: work that belongs together is one closure with
/// the connection `isolated`, one hop however many statements it sends.
package actor PostgresConnection {
    private static let preparedStatements = 256

    private let executor = SerialQueueExecutor(label: "postgres")
    let link: Link
    private var statements = StatementCache(capacity: PostgresConnection.preparedStatements)
    /// Since when the server has the plans of the prepared statements, and how often the connection was lent since.
    private var plans = (since: MonotonicTime.now, loans: 0)
    /// A transaction has been asked for; its BEGIN goes out with the first statement.
    var owesBegin = false

    /// What runs here is isolated to this connection.
    nonisolated var queue: DispatchQueue { executor.queue }

    package nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// The server's process for this session, as in `pg_stat_activity`.
    package nonisolated let processID: Int32

    /// Connects. Blocks the calling thread until it has: call it on a `BlockingPool`.
    init(connecting settings: ConnectionSettings) throws(PostgresError) {
        link = try Link(settings)
        processID = link.processID
    }

    /// Settings of the session that the code relies on, whatever server, database and role say.
    func prepareSession() throws(PostgresError) {
        // Nobody waits within a transaction: a program silent for 30 s has been stopped, and others need its locks.
        try script(
            """
            SET TimeZone = 'UTC'; SET DateStyle = 'ISO';
            SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL READ COMMITTED;
            SET idle_in_transaction_session_timeout = '30s'
            """)
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
        queries.isEmpty ? [] : try exchange(queries).map(\.rows)
    }

    /// Runs SQL text as it is: several statements, separated by semicolons, without parameters. Outside a transaction they are
    /// one, unless the text itself says otherwise.
    package func script(_ sql: String) throws(PostgresError) {
        try checkCanceled()
        try link.send(script: owesBegin ? "BEGIN; \(sql)" : sql)
        owesBegin = false
        _ = try receiveAll()
    }

    private func run(_ query: Query) throws(PostgresError) -> QueryResult {
        do {
            return try runOnce(query)
        } catch {
            guard forgetStatement(query.sql, after: error), !link.isInTransaction else { throw error }
            return try runOnce(query)
        }
    }

    private func runOnce(_ query: Query) throws(PostgresError) -> QueryResult {
        guard !owesBegin, let name = statements.name(for: query.sql) else {
            guard let result = try exchange([query]).last else { throw link.outOfStep() }
            return result
        }
        try checkCanceled()
        try link.sendExecute(name, query.parameters)
        guard let result = try receiveAll() else { throw link.outOfStep() }
        return result
    }

    // MARK: Pipelines

    private enum Step {
        case prepare(sql: String, name: String)
        case execute(sql: String)
    }

    /// One round trip: BEGIN if it is owed, what has to be prepared, and the queries; answers the result of each query.
    private func exchange(_ queries: [Query]) throws(PostgresError) -> [QueryResult] {
        try checkCanceled()
        let begins = owesBegin
        try link.enterPipeline()
        let steps = try send(begins ? ["BEGIN"] + queries : queries)
        try link.sendPipelineEnd()
        owesBegin = false
        let (results, failure) = try receive(steps)
        try link.exitPipeline()
        try evictStatements()
        if let failure { throw failure }
        return begins ? Array(results.dropFirst()) : results
    }

    private func send(_ queries: [Query]) throws(PostgresError) -> [Step] {
        var steps: [Step] = []
        var new: [String: String] = [:]
        for query in queries {
            let name: String
            if let known = statements.name(for: query.sql) ?? new[query.sql] {
                name = known
            } else {
                name = statements.newName()
                new[query.sql] = name
                try link.sendPrepare(query.sql, as: name)
                steps.append(.prepare(sql: query.sql, name: name))
            }
            try link.sendExecute(name, query.parameters)
            steps.append(.execute(sql: query.sql))
        }
        return steps
    }

    /// Reads what a pipeline answers, to its end, so that the connection is in step again.
    private func receive(_ steps: [Step]) throws(PostgresError) -> ([QueryResult], PostgresError?) {
        var results: [QueryResult] = []
        var failure: PostgresError?
        do throws(PostgresError) {
            for step in steps {
                while let result = try link.nextResult() {
                    switch (result.outcome, step) {
                    case (.ok, .prepare(let sql, let name)): statements.insert(sql, name: name)
                    case (.ok, .execute): results.append(result)
                    case (.failed, .prepare): failure = failure ?? link.error(of: result)
                    case (.failed, .execute(let sql)):
                        let error = link.error(of: result)
                        _ = forgetStatement(sql, after: error)
                        failure = failure ?? error
                    case (.aborted, _): break
                    case (.pipelineEnd, _), (.unexpected, _): throw link.outOfStep()
                    }
                }
            }
            guard try link.nextResult()?.outcome == .pipelineEnd else { throw link.outOfStep() }
        } catch {
            // The server's last words say more than the end of the connection that followed.
            throw failure ?? error
        }
        return (results, failure)
    }

    /// Reads to the end of what was sent: the last result, or the first failure.
    private func receiveAll() throws(PostgresError) -> QueryResult? {
        var last: QueryResult?
        var failure: PostgresError?
        do throws(PostgresError) {
            while let result = try link.nextResult() {
                switch result.outcome {
                case .ok: last = result
                case .failed: failure = failure ?? link.error(of: result)
                case .aborted, .pipelineEnd, .unexpected: throw link.outOfStep()
                }
            }
        } catch {
            throw failure ?? error
        }
        if let failure { throw failure }
        return last
    }

    // MARK: Prepared statements

    /// Has the server plan anew, now and then, what it planned for tables that may have been empty. By itself it does so only once it has
    /// analysed them, which is minutes later; until then it would go on to read all that has been added since.
    func renewPlans() throws(PostgresError) {
        plans.loans += 1
        let now = MonotonicTime.now
        // Not of what is hardly used: planning costs more than running, and somebody waits for it.
        guard plans.loans > (now - plans.since > .seconds(10) ? 20 : 200) else { return }
        try script("DISCARD PLANS")
        plans = (now, 0)
    }

    /// Whether an error says that a prepared statement is of no more use; then the next call prepares it anew.
    private func forgetStatement(_ sql: String, after error: PostgresError) -> Bool {
        switch error.sqlState {
        // The tables changed under its plan: "cached plan must not change result type".
        case "0A000": statements.retire(sql)
        // Somebody deallocated it.
        case "26000": statements.forget(sql)
        default: false
        }
    }

    private func evictStatements() throws(PostgresError) {
        // An aborted transaction takes no command; a later call evicts.
        guard !link.isInFailedTransaction else { return }
        for name in statements.evict() {
            try link.send(script: "DEALLOCATE \(name)")
            _ = try receiveAll()
        }
    }

    func checkCanceled() throws(PostgresError) {
        if link.isBroken { throw PostgresError(.connectionLost, "the connection broke earlier") }
        if link.cancellation?.isCancelled == true { throw Link.canceled }
    }

    // MARK: Notifications

    /// Blocks this connection's queue until something was notified; empty after `timeout` or when interrupted.
    func waitForNotifications(_ timeout: Duration) throws(PostgresError) -> [ServerNotification] {
        try link.waitForNotifications(timeout)
    }
}
