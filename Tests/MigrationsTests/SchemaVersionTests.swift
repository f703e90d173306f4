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
        // A newer schema comes before the programs that need it.
        try await pool.execute("UPDATE public.schema_migrations SET version = \(SchemaVersion.expected + 1)")
        #expect(try await SchemaVersion.status(of: pool) == .current)
        try await pool.execute("UPDATE public.schema_migrations SET dirty = true")
        #expect(try await SchemaVersion.status(of: pool) == .dirty(version: SchemaVersion.expected + 1))
    }

    @Test func everyTestDatabaseIsCurrent() async throws {
        try await TestDatabase.with { database in
            let pool = PostgresPool(dsn: database.dsn, size: 1, logger: quiet)
            let status = try await SchemaVersion.status(of: pool)
            #expect(status == .current)
        }
    }
}
