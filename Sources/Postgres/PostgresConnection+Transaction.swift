import RuntimeCore

extension PostgresConnection {
    /// Runs `body` in a transaction (READ COMMITTED) and rolls back if it throws. Transactions do not nest.
    ///
    /// BEGIN travels with the first statement: no round trip of its own. A cancellation ends `body`, but not the COMMIT: its
    /// outcome would be unknown. A `.connectionLost` error may come from the COMMIT itself; then whether it took place is unknown.
    package func transaction<Result>(_ body: (isolated PostgresConnection) throws -> Result) throws -> Result {
        precondition(!owesBegin && !link.isInTransaction, "a transaction within a transaction")
        owesBegin = true
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
        if owesBegin {
            owesBegin = false
        } else {
            try uninterrupted { () throws(PostgresError) in try script("COMMIT") }
        }
        return result
    }

    /// A failure breaks the connection; the server then rolls back by itself.
    private func rollBack() {
        if owesBegin {
            owesBegin = false
            return
        }
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
}
