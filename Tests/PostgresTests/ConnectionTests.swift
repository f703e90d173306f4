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
                       \(Int64.min)::bigint AS small, \(1.0 / 3)::float8 AS third, \(true)::bool AS yes,
                       '{}'::text[] AS empty, \(#"{"a": 1}"#)::jsonb AS json, ARRAY['x', NULL] AS gaps
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
        #expect(try row.value("gaps") == ["x", nil])
        #expect(try row.value("name", as: String?.self) == name)
    }

    @Test func aValueIsNeverReadAsSQL() async throws {
        let pool = try await makePool()
        let evil = "'; DROP TABLE t; --"
        let part: Query = "name = \(evil)"
        try await pool.execute("CREATE TABLE t (id int, name text)")
        try await pool.execute("INSERT INTO t VALUES (\(1), \(evil))")
        let query: Query = "SELECT id FROM t WHERE id = \(1) AND \(part) ORDER BY \(unescaped: "id")"
        #expect(query.sql == "SELECT id FROM t WHERE id = $1 AND name = $2 ORDER BY id")
        #expect(try await pool.query(query).count == 1)
    }

    @Test func aRowSaysWhichColumnDoesNotFitButNotWhatItHolds() async throws {
        let pool = try await makePool()
        let row = try #require(try await pool.query("SELECT 'hunter2'::text AS word, NULL::int AS nothing").first)
        let wrongType = await postgresError { _ = try row.value("word", as: Int.self) }
        #expect(wrongType?.code == .decoding)
        #expect(wrongType?.description.contains("word") == true)
        #expect(wrongType?.description.contains("hunter2") == false)
        let null = await postgresError { _ = try row.value("nothing", as: Int.self) }
        #expect(null?.message == "column nothing is NULL, not Int")
        let missing = await postgresError { _ = try row.value("absent", as: Int.self) }
        #expect(missing?.message == "the result has no column absent")
    }

    @Test func aRefusalCarriesItsStateAndConstraintButNoValues() async throws {
        let pool = try await makePool()
        try await pool.execute("CREATE TABLE t (name text, CONSTRAINT one_name UNIQUE (name))")
        try await pool.execute("INSERT INTO t VALUES (\("hunter2"))")
        let unique = await postgresError { try await pool.execute("INSERT INTO t VALUES (\("hunter2"))") }
        #expect(unique?.code == .sqlState)
        #expect(unique?.sqlState == "23505")
        #expect(unique?.constraint == "one_name")
        #expect(unique?.isUniqueViolation(of: "one_name") == true)
        #expect(unique?.description.contains("hunter2") == false)
        let cast = await postgresError { try await pool.query("SELECT \("hunter2")::int") }
        #expect(cast?.sqlState == "22P02")
        #expect(cast?.description.contains("hunter2") == false)
        // The connection is none the worse for it.
        #expect(try await pool.scalar("SELECT 1", as: Int.self) == 1)
    }

    @Test func affectedRowsAreCounted() async throws {
        let pool = try await makePool()
        try await pool.execute("CREATE TABLE t (id int)")
        #expect(try await pool.execute("INSERT INTO t SELECT generate_series(1, 7)") == 7)
        #expect(try await pool.execute("DELETE FROM t WHERE id > \(5)") == 2)
    }

    @Test func theSessionIsInUTCWhateverTheServerSays() async throws {
        let pool = try await makePool()
        #expect(try await pool.scalar("SHOW TimeZone") == "UTC")
        #expect(try await pool.scalar("SELECT 'epoch'::timestamptz") == Timestamp(microseconds: 0))
    }

    @Test func theServerKnowsTheProgramByItsName() async throws {
        let database = try await TestDatabase.makeEmpty()
        let pool = PostgresPool(dsn: database.dsn, size: 1, applicationName: "wvs-test", logger: quiet)
        #expect(try await pool.scalar("SHOW application_name") == "wvs-test")
        let named = PostgresPool(dsn: database.dsn + " application_name=mine", size: 1, logger: quiet)
        #expect(try await named.scalar("SHOW application_name") == "mine")
    }
}
