import Postgres
import RuntimeCore
import TestSupport
import Testing

@Suite struct ConnectionTests {
    @Test func valuesComeBackAsTheyWent() async throws {
        let pool = try await makePool()
        let name = "O'Brien \"\\ €\n"
        let time = Timestamp(microseconds: 1_771_329_600_123_456)
        let none: String? = nil
        let tags = ["a", "b c", "\"q\\", "", "NULL", "{x,y}"]
        let row = try #require(
            try await pool.query(
                """
                SELECT \(name)::text AS name, \(time)::timestamptz AS time, \(none)::text AS none, \(tags)::text[] AS tags,
                       \(Int64.min)::bigint AS small, \(1.0 / 3)::float8 AS third, \(true)::bool AS yes, '{}'::text[] AS empty,
                       \(#"{"a": 1}"#)::jsonb AS json
                """
            ).first)
        #expect(try row.value("name") == name)
        #expect(try row.value("time") == time)
        #expect(try row.value("none", as: String?.self) == nil)
        #expect(try row.value("tags") == tags)
        #expect(try row.value("small") == Int64.min)
        #expect(try row.value("third") == 1.0 / 3)
        #expect(try row.value("yes") == true)
        #expect(try row.value("empty") == [String]())
        #expect(try row.value("json") == #"{"a": 1}"#)
        #expect(try row.value("name", as: String?.self) == name)
    }

    @Test func aTransactionThatThrowsLeavesNothing() async throws {
        let pool = try await makePool()
        try await pool.execute("CREATE TABLE t (id int PRIMARY KEY)")
        await #expect(throws: CancellationError.self) {
            try await pool.transaction { connection in
                try connection.execute("INSERT INTO t VALUES (1)")
                throw CancellationError()
            }
        }
        #expect(try await pool.query("SELECT * FROM t").isEmpty)
    }
}

func makePool(size: Int = 2) async throws -> PostgresPool {
    PostgresPool(dsn: try await TestDatabase.makeEmpty().dsn, size: size, logger: Logger(level: .error))
}
