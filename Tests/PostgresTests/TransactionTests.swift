import Postgres
import RuntimeCore
import TestSupport
import Testing

@Suite struct TransactionTests {
    private struct Refused: Error {}

    private static func makeTable() async throws -> PostgresPool {
        let pool = try await makePool()
        try await pool.execute("CREATE TABLE t (id int PRIMARY KEY)")
        return pool
    }

    @Test func whatATransactionDidIsThereAfterwards() async throws {
        let pool = try await TransactionTests.makeTable()
        let level: String? = try await pool.transaction { connection in
            try connection.execute("INSERT INTO t VALUES (1)")
            return try connection.query("SHOW transaction_isolation").first?.first()
        }
        #expect(level == "read committed")
        #expect(try await pool.query("SELECT * FROM t").count == 1)
    }

    @Test func aTransactionThatThrowsLeavesNothing() async throws {
        let pool = try await TransactionTests.makeTable()
        await #expect(throws: Refused.self) {
            try await pool.transaction { connection in
                try connection.execute("INSERT INTO t VALUES (1)")
                throw Refused()
            }
        }
        #expect(try await pool.query("SELECT * FROM t").isEmpty)
    }

    @Test func aTransactionWhoseFailureWasSwallowedIsNotTakenForCommitted() async throws {
        let pool = try await TransactionTests.makeTable()
        let error = await postgresError {
            try await pool.transaction { connection in
                try connection.execute("INSERT INTO t VALUES (1)")
                do { try connection.execute("INSERT INTO t VALUES (1)") } catch {}
            }
        }
        #expect(error?.sqlState == "25P02")
        #expect(try await pool.query("SELECT * FROM t").isEmpty)
    }

    @Test func aDeferredConstraintThatFailsTheCommitIsThrown() async throws {
        let pool = try await TransactionTests.makeTable()
        try await pool.execute("CREATE TABLE u (t int REFERENCES t DEFERRABLE INITIALLY DEFERRED)")
        let error = await postgresError {
            try await pool.transaction { connection in _ = try connection.execute("INSERT INTO u VALUES (1)") }
        }
        #expect(error?.sqlState == "23503")
        #expect(error?.constraint == "u_t_fkey")
        #expect(try await pool.query("SELECT * FROM u").isEmpty)
    }

    @Test func aConnectionLeftInsideATransactionIsNotLentAgain() async throws {
        let pool = try await makePool(size: 1)
        let first = try await pool.withConnection { connection in
            try connection.script("BEGIN")
            return connection.processID
        }
        let second = try await pool.withConnection { $0.processID }
        #expect(first != second)
    }
}
