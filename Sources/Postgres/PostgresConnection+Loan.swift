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

    /// Runs what several borrowers want to read, in one round trip.
    func serve(readers: [PoolWaiter], interruptedBy cancellation: Cancellation) -> LoanEnd {
        var queries: [Query] = []
        var ends: [@Sendable (Result<[Row]?, any Error>) -> Void] = []
        for case .read(let query, let end) in readers.map(\.work) {
            queries.append(query)
            ends.append(end)
        }
        let (answers, isReusable): ([Result<[Row]?, any Error>], Bool) =
            switch lend(interruptedBy: cancellation, { [queries] connection in try connection.read(queries) }) {
            case .stale: (ends.map { _ in .success(nil) }, false)
            case .ended(.success(let answers), let isReusable): (answers.map { $0.map { $0 } }, isReusable)
            case .ended(.failure(let error), let isReusable): (ends.map { _ in .failure(error) }, isReusable)
            }
        return LoanEnd(isReusable: isReusable) { [ends] in for (end, answer) in zip(ends, answers) { end(answer) } }
    }

    /// The rows of each statement, or why it failed.
    private func read(_ queries: [Query]) throws(PostgresError) -> [Result<[Row], any Error>] {
        if queries.count == 1 { return [.success(try query(queries[0]))] }
        do {
            return try pipeline(queries).map { .success($0) }
        } catch {
            // The one that failed took those behind it with it.
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
