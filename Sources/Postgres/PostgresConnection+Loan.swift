import RuntimeCore

extension PostgresConnection {
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
        guard link.isUsable, link.isQuiet else { return .stale }
        let result = Swift.Result {
            try use(interruptedBy: cancellation) { connection in
                try connection.renewPlans()
                return try body(connection)
            }
        }
        return .ended(result, isReusable: link.isUsable)
    }

    /// Runs what several borrowers want in one round trip, which is one transaction.
    func serve(sharers: [PoolWaiter], interruptedBy cancellation: Cancellation) -> LoanEnd {
        var statements: [SharedStatement] = []
        for case .shared(let statement) in sharers.map(\.work) { statements.append(statement) }
        statements.sort { $0.order < $1.order }
        // Who asks the same at the same time gets the same answer.
        var queries: [Query] = []
        let positions = statements.map { statement in
            if !statement.changes, let position = queries.firstIndex(of: statement.query) { return position }
            queries.append(statement.query)
            return queries.count - 1
        }
        let (answers, isReusable): ([Result<[Row]?, any Error>], Bool) =
            switch lend(interruptedBy: cancellation, { [queries] connection in try connection.answers(of: queries) }) {
            case .stale: (queries.map { _ in .success(nil) }, false)
            case .ended(.success(let answers), let isReusable): (answers.map { $0.map { $0 } }, isReusable)
            case .ended(.failure(let error), let isReusable): (queries.map { _ in .failure(error) }, isReusable)
            }
        return LoanEnd(isReusable: isReusable) { [statements] in
            for (statement, position) in zip(statements, positions) { statement.end(answers[position]) }
        }
    }

    /// The rows of each statement, or why it failed.
    private func answers(of queries: [Query]) throws(PostgresError) -> [Result<[Row], any Error>] {
        if queries.count == 1 { return [.success(try query(queries[0]))] }
        do {
            return try pipeline(queries).map { .success($0) }
        } catch {
            // One failed, all are undone.
            guard error.code == .sqlState else { throw error }
            return queries.map { query in Result { try self.query(query) } }
        }
    }

    /// Runs a closure for the one owner that this connection has.
    func use<Result>(
        interruptedBy cancellation: Cancellation, _ body: @Sendable (isolated PostgresConnection) throws -> Result
    ) throws -> Result {
        link.cancellation = cancellation
        defer { link.cancellation = nil }
        return try body(self)
    }
}
