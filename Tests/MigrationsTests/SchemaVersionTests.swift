import Migrations
import Postgres
import TestSupport
import Testing

@Suite struct SchemaVersionTests {
    @Test func theExpectedVersionIsTheNewestInTheSourceTree() throws {
        let migrations = try Migration.load(from: TestDatabase.migrationsFolder)
        #expect(migrations.last?.version == SchemaVersion.expected)
        #expect(migrations.map(\.version) == Array(1...SchemaVersion.expected))
        #expect(migrations.allSatisfy { $0.down != nil })
    }

    @Test func aDatabaseSaysWhetherItIsFit() async throws {
        let pool = try await makePool()
        #expect(try await SchemaVersion.status(of: pool) == .behind(found: nil))
        let migrator = try makeMigrator(pool)
        try await migrator.up()
        #expect(try await SchemaVersion.status(of: pool) == .current)
        try await migrator.down(1)
        #expect(try await SchemaVersion.status(of: pool) == .behind(found: SchemaVersion.expected - 1))
        try await pool.execute("UPDATE public.schema_migrations SET version = \(SchemaVersion.expected + 1)")
        let ahead = try await SchemaVersion.status(of: pool)
        #expect(ahead == .ahead(found: SchemaVersion.expected + 1))
        // A newer schema comes before the programs that need it: what runs already stays ready.
        #expect(ahead.problem == nil)
        try await pool.execute("UPDATE public.schema_migrations SET dirty = true")
        #expect(try await SchemaVersion.status(of: pool) == .dirty(version: SchemaVersion.expected + 1))
    }

    @Test(arguments: ["wvs-api", "wvs-worker"])
    func noProgramStartsOnASchemaThatItDoesNotKnow(program: String) async throws {
        let database = try await TestDatabase.make()
        let pool = PostgresPool(dsn: database.dsn, size: 1, logger: quiet)
        func ended() async throws -> String {
            let environment = [
                "WVS_DB_DSN": database.dsn, "EXECUTOR_ADDRS": "127.0.0.1:1", "WVS_LISTEN_ADDR": "127.0.0.1:0",
                "WVS_METRICS_ADDR": "127.0.0.1:0",
            ]
            let process = try ProgramProcess(program, environment: environment)
            #expect(try await process.ended(within: .seconds(60)) == 1)
            #expect(!process.tail.contains("\"listening\""))
            return process.tail
        }
        let expected = SchemaVersion.expected
        try await pool.execute("UPDATE public.schema_migrations SET version = \(expected + 1)")
        #expect(try await ended().contains("the schema is at \(expected + 1), this program knows \(expected)"))
        try await pool.execute("UPDATE public.schema_migrations SET version = \(expected - 1)")
        #expect(try await ended().contains("the schema is at \(expected - 1), \(expected) is needed"))
        try await pool.execute("UPDATE public.schema_migrations SET dirty = true")
        #expect(try await ended().contains("dirty at version \(expected - 1), \(expected) is needed"))
    }

    @Test func everyTestDatabaseIsCurrent() async throws {
        try await TestDatabase.with { database in
            let pool = PostgresPool(dsn: database.dsn, size: 1, logger: quiet)
            let status = try await SchemaVersion.status(of: pool)
            #expect(status == .current)
        }
    }
}
