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
}
