import Migrations
import Postgres
import RuntimeCore
import TestSupport
import Testing

@Suite struct MigratorTests {
    private static let migrations = [
        Migration(version: 1, name: "one", up: "CREATE TABLE one (id int)", down: "DROP TABLE one"),
        Migration(version: 5, name: "five", up: "CREATE TABLE five (id int)", down: "DROP TABLE five"),
        Migration(version: 7, name: "seven", up: "CREATE TABLE seven (id int)", down: nil),
    ]

    private static func tables(_ pool: PostgresPool) async throws -> [String] {
        try await pool.query(
            """
            SELECT relname::text FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
              AND relname <> 'schema_migrations' ORDER BY 1
            """
        ).map { try $0.first() }
    }

    @Test func migrationsGoUpOnceAndDownStepByStep() async throws {
        let pool = try await makePool()
        let migrator = try makeMigrator(pool, Array(MigratorTests.migrations.dropLast()))
        #expect(try await migrator.version() == nil)
        #expect(try await migrator.up() == [1, 5])
        #expect(try await migrator.up() == [])
        #expect(try await migrator.version()?.version == 5)
        #expect(try await migrator.down(1) == [5])
        #expect(try await MigratorTests.tables(pool) == ["one"])
        #expect(try await migrator.version()?.version == 1)
        await #expect(throws: MigrationError.fewer(1, than: 9)) { try await migrator.down(9) }
        #expect(try await MigratorTests.tables(pool) == ["one"])
        #expect(try await migrator.down(1) == [1])
        #expect(try await MigratorTests.tables(pool) == [])
        #expect(try await migrator.version() == nil)
        #expect(try await migrator.up() == [1, 5])
    }

    @Test func aMigrationWithoutAWayBackStaysAndSoDoThoseAboveIt() async throws {
        let pool = try await makePool()
        let last = Migration(version: 9, name: "nine", up: "CREATE TABLE nine (id int)", down: "DROP TABLE nine")
        let migrator = try makeMigrator(pool, MigratorTests.migrations + [last])
        try await migrator.up()
        await #expect(throws: MigrationError.irreversible(version: 7)) { try await migrator.down(2) }
        #expect(try await migrator.version()?.version == 9)
    }

    @Test func theVersionIsKeptAsGolangMigrateKeepsIt() async throws {
        let pool = try await makePool()
        let migrator = try makeMigrator(pool, MigratorTests.migrations)
        try await migrator.up()
        let row = try #require(try await pool.query("SELECT version, dirty FROM public.schema_migrations").first)
        #expect(try row.value("version") == 7)
        #expect(try row.value("dirty") == false)
        let columns: Query = """
            SELECT string_agg(attname || ' ' || format_type(atttypid, atttypmod) || ' ' || attnotnull, ', ' ORDER BY attnum)
            FROM pg_attribute WHERE attrelid = 'public.schema_migrations'::regclass AND attnum > 0
            """
        #expect(try await pool.query(columns).first?.first() == "version bigint true, dirty boolean true")
    }

    @Test func aDatabaseThatGolangMigrateMadeIsGoneOnWith() async throws {
        let pool = try await makePool()
        try await pool.withConnection { connection in
            try connection.script(
                """
                CREATE TABLE one (id int);
                CREATE TABLE public.schema_migrations (version bigint not null primary key, dirty boolean not null);
                INSERT INTO public.schema_migrations VALUES (1, false)
                """)
        }
        #expect(try await makeMigrator(pool, MigratorTests.migrations).up() == [5, 7])
    }

    @Test func aDirtyDatabaseIsRefusedUntilAPersonHasDecided() async throws {
        let pool = try await makePool()
        let migrator = try makeMigrator(pool, Array(MigratorTests.migrations.dropLast()))
        try await migrator.up()
        try await pool.execute("UPDATE public.schema_migrations SET dirty = true")
        await #expect(throws: MigrationError.dirty(version: 5)) { try await migrator.up() }
        await #expect(throws: MigrationError.dirty(version: 5)) { try await migrator.down(1) }
        #expect(try await migrator.version()?.isDirty == true)
        try await migrator.force(1)
        try await pool.execute("DROP TABLE five")
        #expect(try await migrator.up() == [5])
    }

    @Test func onlyAVersionThatHasFilesCanBeForced() async throws {
        let pool = try await makePool()
        let migrator = try makeMigrator(pool, MigratorTests.migrations)
        await #expect(throws: MigrationError.unknownVersion(6, newest: 7)) { try await migrator.force(6) }
        try await migrator.force(7)
        #expect(try await migrator.up() == [])
        try await migrator.force(nil)
        #expect(try await migrator.version() == nil)
    }

    @Test func aMigrationThatFailsLeavesNothingOfItself() async throws {
        let pool = try await makePool()
        let broken = Migration(
            version: 8, name: "broken", up: "CREATE TABLE eight (id int); CREATE TABLE one (id int)", down: nil)
        let migrator = try makeMigrator(pool, MigratorTests.migrations + [broken])
        await #expect(throws: PostgresError.self) { try await migrator.up() }
        #expect(try await MigratorTests.tables(pool) == ["five", "one", "seven"])
        let state = try #require(try await migrator.version())
        #expect(state == (7, false))
    }

    @Test func aMigrationThatEndsItsTransactionLeavesTheDatabaseDirty() async throws {
        let pool = try await makePool()
        let escaping = Migration(
            version: 8, name: "escaping", up: "CREATE TABLE eight (id int); COMMIT; CREATE TABLE nine (id int)",
            down: nil)
        let migrator = try makeMigrator(pool, [escaping])
        await #expect(throws: MigrationError.escapedTransaction(version: 8)) { try await migrator.up() }
        let state = try #require(try await migrator.version())
        #expect(state == (8, true))
    }

    @Test func aDatabaseNewerThanTheFilesIsRefused() async throws {
        let pool = try await makePool()
        try await makeMigrator(pool, MigratorTests.migrations).up()
        let older = try makeMigrator(pool, Array(MigratorTests.migrations.dropLast()))
        await #expect(throws: MigrationError.unknownVersion(7, newest: 5)) { try await older.up() }
        await #expect(throws: MigrationError.unknownVersion(7, newest: 5)) { try await older.down(1) }
    }

    @Test func ofManyAtOnceOneMigratesAndTheOthersWaitForIt() async throws {
        let dsn = try await TestDatabase.makeEmpty().dsn
        // Slow enough that all are there while the first works.
        let slow = Migration(version: 1, name: "slow", up: "SELECT pg_sleep(0.3); CREATE TABLE one (id int)", down: nil)
        let applied = try await withThrowingTaskGroup { group in
            for _ in 0..<6 {
                group.addTask {
                    let pool = PostgresPool(dsn: dsn, size: 1, logger: quiet)
                    return try await makeMigrator(pool, [slow] + MigratorTests.migrations.dropFirst()).up()
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(applied.filter { !$0.isEmpty } == [[1, 5, 7]])
        #expect(applied.count == 6)
    }

    @Test func itWaitsForGolangMigrateToo() async throws {
        let pool = try await makePool()
        let other = PostgresPool(dsn: try await pool.dsn(), size: 1, logger: quiet)
        let name: String = try #require(try await other.query("SELECT current_database()").first).first()
        let lock = golangMigrateLock(database: name)
        let (locked, signal) = AsyncStream.makeStream(of: Void.self)
        let release = try Cancellation()
        let holding = Task {
            defer { signal.finish() }
            try await other.withConnection { connection in
                try connection.query("SELECT pg_advisory_lock(\(lock))")
                signal.finish()
                let waiting: Query = """
                    SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
                      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
                    """
                // Until the migrator waits for the very same lock.
                while try connection.query(waiting).isEmpty, !release.isCancelled {
                    try connection.query("SELECT pg_sleep(0.005)")
                }
                try connection.execute("CREATE TABLE while_waiting ()")
                try connection.query("SELECT pg_advisory_unlock(\(lock))")
            }
        }
        for await _ in locked {}
        defer { release.cancel() }
        // Fails unless the table is there, which is made while the migrator waits.
        let second = Migration(version: 1, name: "second", up: "SELECT 'while_waiting'::regclass", down: nil)
        #expect(try await makeMigrator(pool, [second]).up() == [1])
        try await holding.value
    }

    /// As golang-migrate's `GenerateAdvisoryLockId` computes it for a database URL: a table-driven CRC-32, unlike ours.
    private func golangMigrateLock(database: String) -> Int64 {
        let table = (0..<256).map { index -> UInt32 in
            (0..<8).reduce(UInt32(index)) { value, _ in value & 1 == 1 ? 0xedb8_8320 ^ (value >> 1) : value >> 1 }
        }
        let sum = "public\0schema_migrations\0/\(database)".utf8.reduce(UInt32.max) { crc, byte in
            table[Int((crc ^ UInt32(byte)) & 0xff)] ^ (crc >> 8)
        }
        return Int64((sum ^ .max) &* 1_486_364_155)
    }
}

extension PostgresPool {
    /// A connection string for the same database.
    fileprivate func dsn() async throws -> String {
        let query: Query = "SELECT current_setting('unix_socket_directories') AS folder, current_database() AS name"
        let row = try #require(try await self.query(query).first)
        return
            "host=\(try row.value("folder", as: String.self)) port=5432 user=postgres dbname=\(try row.value("name", as: String.self))"
    }
}
