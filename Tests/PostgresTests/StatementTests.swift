import Postgres
import TestSupport
import Testing

@Suite struct StatementTests {
    private static let prepared: Query = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%probe%'"

    @Test func aStatementIsPreparedOnceForEachConnection() async throws {
        let pool = try await makePool(size: 1)
        for number in 0..<20 { try await pool.query("SELECT \(number)::int /* probe */") }
        // Itself is the other one.
        #expect(try await pool.scalar(StatementTests.prepared) == 2)
    }

    @Test func aConnectionKeepsABoundedNumberOfStatements() async throws {
        let pool = try await makePool(size: 1)
        try await pool.withConnection { connection in
            for number in 0..<400 { try connection.query("SELECT 1 /* probe \(unescaped: String(number)) */") }
        }
        let all: Query = "SELECT count(*) FROM pg_prepared_statements"
        // The first of the two makes room for itself only afterwards.
        try await pool.query(all)
        #expect(try await pool.scalar(all) == 256)
        _ = try await pool.withConnection { connection in
            try connection.pipeline((400..<800).map { "SELECT 1 /* probe \(unescaped: String($0)) */" })
        }
        try await pool.query(all)
        #expect(try await pool.scalar(all) == 256)
    }

    @Test func aStatementOutlivesAChangeOfItsTable() async throws {
        let pool = try await makePool(size: 1)
        try await pool.execute("CREATE TABLE t (id int)")
        try await pool.execute("INSERT INTO t VALUES (1)")
        #expect(try await pool.query("SELECT * FROM t").count == 1)
        try await pool.execute("ALTER TABLE t ADD COLUMN name text DEFAULT 'x'")
        let row = try #require(try await pool.query("SELECT * FROM t").first)
        #expect(try row.value("name") == "x")
    }

    @Test func `a plan that was made for an empty table does not outlive its growth`() async throws {
        let pool = try await makePool(size: 1)
        try await pool.withConnection { connection in
            try connection.script(
                """
                CREATE TABLE t (id int) WITH (autovacuum_enabled = false);
                CREATE INDEX ON t (id);
                ANALYZE t
                """)
        }
        let look: @Sendable () async throws -> Void = {
            try await pool.query("SELECT id FROM t WHERE id = \(7) /* look */")
        }
        for _ in 0..<10 { try await look() }
        let named: Query = "SELECT name FROM pg_prepared_statements WHERE statement LIKE '%/* look */'"
        let name: String = try await pool.scalar(named)
        let plan: @Sendable () async throws -> String = {
            try await pool.scalar("EXPLAIN (COSTS OFF) EXECUTE \(unescaped: name)(7)")
        }
        #expect(try await plan().hasPrefix("Seq Scan"))
        try await pool.execute("INSERT INTO t SELECT generate_series(1, 20000)")
        for _ in 0..<250 { try await look() }
        let renewed = try await plan()
        #expect(renewed.hasPrefix("Index Only Scan") || renewed.hasPrefix("Bitmap Heap Scan"))
    }

    @Test func aStatementThatTheServerForgotIsPreparedAgain() async throws {
        let pool = try await makePool(size: 1)
        #expect(try await pool.scalar("SELECT 42", as: Int.self) == 42)
        try await pool.withConnection { connection in try connection.script("DEALLOCATE ALL") }
        #expect(try await pool.scalar("SELECT 42", as: Int.self) == 42)
    }

    @Test func aPipelineAnswersEachStatementInOrder() async throws {
        let pool = try await makePool()
        let results = try await pool.withConnection { connection in
            try connection.pipeline((0..<50).map { "SELECT \($0)::int AS n FROM generate_series(1, \($0 % 3))" })
        }
        #expect(results.map(\.count) == (0..<50).map { $0 % 3 })
        #expect(try results[49].first?.value("n") == 49)
    }

    @Test func aPipelineWithMoreThanTheSocketHoldsInBothDirectionsDoesNotLock() async throws {
        let pool = try await makePool()
        let block = String(repeating: "x", count: 100_000)
        let results = try await pool.withConnection { connection in
            try connection.pipeline((0..<200).map { _ in "SELECT \(block)::text AS block" })
        }
        #expect(results.count == 200)
        #expect(try results.allSatisfy { try $0.first?.value("block") == block })
    }

    @Test func aPipelineThatFailsIsUndoneWhole() async throws {
        let pool = try await makePool(size: 1)
        try await pool.execute("CREATE TABLE t (id int PRIMARY KEY)")
        let error = await postgresError {
            _ = try await pool.withConnection { connection in
                try connection.pipeline([
                    "INSERT INTO t VALUES (\(1))", "INSERT INTO t VALUES (\(2))", "INSERT INTO t VALUES (\(1))",
                    "SELECT no_such_column FROM t",
                ])
            }
        }
        #expect(error?.sqlState == "23505")
        #expect(try await pool.query("SELECT * FROM t").isEmpty)
        // In step again: the same statements now go through.
        let results = try await pool.withConnection { connection in
            try connection.pipeline(["INSERT INTO t VALUES (\(1))", "SELECT id FROM t"])
        }
        #expect(results[1].count == 1)
    }
}
