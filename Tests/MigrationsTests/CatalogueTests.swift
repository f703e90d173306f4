import Migrations
import Postgres
import RuntimeCore
import TestSupport
import Testing

/// Reads the schema back from the catalogue and holds it against the design: first what seeds 05 ask for, then what design 4 adds.
@Suite struct CatalogueTests {
    @Test func theFirstMigrationIsTheSeedsSchema() async throws {
        let pool = try await CatalogueTests.migrated(to: 1)
        #expect(try await CatalogueTests.columns(pool) == Seeds.columns)
        #expect(try await CatalogueTests.constraints(pool) == Seeds.constraints)
        #expect(try await CatalogueTests.indexes(pool) == Seeds.indexes)
    }

    @Test func theFurtherMigrationsOnlyAdd() async throws {
        let pool = try await CatalogueTests.migrated(to: SchemaVersion.expected)
        #expect(try await CatalogueTests.columns(pool) == (Seeds.columns + Additions.columns).sorted())
        #expect(try await CatalogueTests.constraints(pool) == (Seeds.constraints + Additions.constraints).sorted())
        #expect(try await CatalogueTests.indexes(pool) == (Seeds.indexes + Additions.indexes).sorted())
    }

    @Test func theWayBackLeavesTheSeedsSchema() async throws {
        let pool = try await CatalogueTests.migrated(to: SchemaVersion.expected)
        try await makeMigrator(pool).down(Int(SchemaVersion.expected) - 1)
        #expect(try await CatalogueTests.columns(pool) == Seeds.columns)
        #expect(try await CatalogueTests.constraints(pool) == Seeds.constraints)
        #expect(try await CatalogueTests.indexes(pool) == Seeds.indexes)
    }

    @Test func theDatabaseRefusesTwoRunningTasksOfOneWorkspace() async throws {
        let pool = try await CatalogueTests.migrated(to: SchemaVersion.expected)
        try await pool.execute(
            """
            INSERT INTO wvs.workspaces (wsid, root_path, owner, current_path)
            VALUES ('abc', '/ws/abc', 'me', '/ws/abc/current')
            """)
        func insert(_ id: String, _ status: String) async throws {
            try await pool.execute(
                """
                INSERT INTO wvs.tasks (task_id, wsid, op, status, idempotency_key, request_hash)
                VALUES (\(id), 'abc', 'set_current', \(status), \(id), '')
                """)
        }
        try await insert("1", "RUNNING")
        try await insert("2", "PENDING")
        do {
            try await insert("3", "RUNNING")
            Issue.record("a second one runs")
        } catch let error as PostgresError {
            #expect(error.isUniqueViolation(of: "uq_tasks_running"))
        }
    }

    // MARK: Reading the catalogue

    private static func migrated(to version: Int64) async throws -> PostgresPool {
        let pool = try await makePool()
        let migrations = try Migration.load(from: TestDatabase.migrationsFolder).filter { $0.version <= version }
        try await makeMigrator(pool, migrations).up()
        return pool
    }

    private static func columns(_ pool: PostgresPool) async throws -> [String] {
        try await lines(
            pool,
            """
            SELECT concat_ws(' ', c.relname || '.' || a.attname, format_type(a.atttypid, a.atttypmod),
                             CASE WHEN a.attnotnull THEN 'not null' END, 'default ' || pg_get_expr(d.adbin, d.adrelid))
            FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
            LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
            WHERE c.relnamespace = 'wvs'::regnamespace AND c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
            """)
    }

    private static func constraints(_ pool: PostgresPool) async throws -> [String] {
        try await lines(
            pool,
            """
            SELECT concat_ws(' ', conrelid::regclass, conname, pg_get_constraintdef(oid))
            FROM pg_constraint WHERE connamespace = 'wvs'::regnamespace
            """)
    }

    private static func indexes(_ pool: PostgresPool) async throws -> [String] {
        try await lines(pool, "SELECT replace(indexdef, ' USING btree', '') FROM pg_indexes WHERE schemaname = 'wvs'")
    }

    private static func lines(_ pool: PostgresPool, _ query: Query) async throws -> [String] {
        try await pool.query(query).map { row in
            let line: String = try row.first()
            return line.replacing("CREATE ", with: "").replacing("wvs.", with: "").replacing("::text", with: "")
                .replacing("= ANY (ARRAY[", with: "IN (").replacing("])", with: ")")
        }.sorted()
    }
}
