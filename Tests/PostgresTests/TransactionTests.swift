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

    @Test func aTransactionWithoutStatementsAsksTheServerNothing() async throws {
        let pool = try await makePool()
        #expect(try await pool.transaction { _ in 7 } == 7)
        await #expect(throws: Refused.self) { try await pool.transaction { _ in throw Refused() } }
        #expect(try await pool.scalar("SELECT 1", as: Int.self) == 1)
    }

    @Test func theFirstStatementIsPartOfTheTransactionHoweverItIsSent() async throws {
        let pool = try await TransactionTests.makeTable()
        await #expect(throws: Refused.self) {
            try await pool.transaction { connection in
                try connection.script("INSERT INTO t VALUES (1); INSERT INTO t VALUES (2)")
                throw Refused()
            }
        }
        await #expect(throws: Refused.self) {
            try await pool.transaction { connection in
                let rows = try connection.pipeline(["INSERT INTO t VALUES (1)", "SELECT id FROM t"])
                #expect(rows.map(\.count) == [0, 1])
                throw Refused()
            }
        }
        let error = await postgresError {
            try await pool.transaction { connection in
                _ = try connection.execute("INSERT INTO no_such_table VALUES (1)")
            }
        }
        #expect(error?.sqlState == "42P01")
        #expect(try await pool.query("SELECT * FROM t").isEmpty)
    }

    @Test func theIsolationIsReadCommittedWhateverTheDatabaseSays() async throws {
        let database = try await TestDatabase.makeEmpty()
        let before = PostgresPool(dsn: database.dsn, size: 1, logger: quiet)
        try await before.withConnection { connection in
            try connection.script(
                "ALTER DATABASE \(database.name) SET default_transaction_isolation = 'serializable'")
        }
        let pool = PostgresPool(dsn: database.dsn, size: 1, logger: quiet)
        let level: Query = "SHOW transaction_isolation"
        #expect(try await pool.scalar(level) == "read committed")
        let within: String? = try await pool.transaction { connection in try connection.query(level).first?.first() }
        #expect(within == "read committed")
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
