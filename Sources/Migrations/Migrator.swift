package import Postgres
package import RuntimeCore

/// Applies migrations, each in a transaction of its own together with the record of it: killed at any instant, a database is at
/// one version or the other. Two at once wait for each other.
package struct Migrator: Sendable {
    private let pool: PostgresPool
    private let migrations: [Migration]
    private let logger: Logger

    package init(pool: PostgresPool, migrations: [Migration], logger: Logger) {
        self.pool = pool
        self.migrations = migrations
        self.logger = logger
    }

    /// Applies what has not been applied; answers the versions.
    @discardableResult
    package func up() async throws -> [Int64] {
        try await locked { connection in
            let current = try currentVersion(connection)
            var applied: [Int64] = []
            for migration in migrations where migration.version > current ?? -1 {
                try apply(migration.up, of: migration, leadingTo: migration.version, connection)
                applied.append(migration.version)
            }
            return applied
        }
    }

    /// Takes back the last `count`, all of them or none; answers the versions that were taken back.
    @discardableResult
    package func down(_ count: Int) async throws -> [Int64] {
        try await locked { connection in
            guard let current = try currentVersion(connection) else { return [] }
            let applied = migrations.filter { $0.version <= current }
            // A slip of the finger must not cost the whole schema.
            guard count <= applied.count else { throw MigrationError.fewer(applied.count, than: count) }
            let ways = try applied.suffix(count).map { migration in
                guard let down = migration.down else { throw MigrationError.irreversible(version: migration.version) }
                return down
            }
            var undone: [Int64] = []
            for (index, (migration, down)) in zip(applied.suffix(count), ways).enumerated().reversed() {
                let position = applied.count - count + index
                let below = position > 0 ? applied[position - 1].version : nil
                try apply(down, of: migration, leadingTo: below, connection)
                undone.append(migration.version)
            }
            return undone
        }
    }

    /// The version of the database, nil where nothing has been applied.
    package func version() async throws -> (version: Int64, isDirty: Bool)? {
        try await pool.withConnection { connection in try SchemaTable.read(connection) }
            .map { ($0.version, $0.isDirty) }
    }

    /// Records a version without running anything, and that the database is clean; nil for nothing applied.
    package func force(_ version: Int64?) async throws {
        if let version, !migrations.contains(where: { $0.version == version }) {
            throw MigrationError.unknownVersion(version, newest: newest)
        }
        try await locked { connection in
            try connection.transaction { connection in try SchemaTable.write(version, connection) }
        }
    }

    private var newest: Int64 { migrations.last?.version ?? 0 }

    private func currentVersion(_ connection: isolated PostgresConnection) throws -> Int64? {
        guard let state = try SchemaTable.read(connection) else { return nil }
        if state.isDirty { throw MigrationError.dirty(version: state.version) }
        guard migrations.contains(where: { $0.version == state.version }) else {
            throw MigrationError.unknownVersion(state.version, newest: newest)
        }
        return state.version
    }

    private func apply(
        _ sql: String, of migration: Migration, leadingTo version: Int64?, _ connection: isolated PostgresConnection
    ) throws {
        do {
            try connection.transaction { connection in
                let transaction: Query = "SELECT pg_current_xact_id()::text"
                let before: String? = try connection.query(transaction).first?.first()
                try connection.script(sql)
                let after: String? = try connection.query(transaction).first?.first()
                guard before == after else { throw MigrationError.escapedTransaction(version: migration.version) }
                try SchemaTable.write(version, connection)
            }
        } catch let error as MigrationError {
            // What the script committed can not be taken back, and nobody knows how far it came.
            try SchemaTable.write(migration.version, isDirty: true, connection)
            throw error
        }
        logger.info("migrated", [.version: LogValue(version ?? 0), .op: .text(migration.name)])
    }

    /// Runs `body` under the advisory lock of this session.
    private func locked<Result: Sendable>(
        _ body: @escaping @Sendable (isolated PostgresConnection) throws -> Result
    ) async throws -> Result {
        try await pool.withConnection { connection in
            let database: String = try connection.query("SELECT current_database()").first?.first() ?? ""
            let id = SchemaTable.lockID(database: database)
            let isFree: Bool = try connection.query("SELECT pg_try_advisory_lock(\(id))").first?.first() ?? false
            if !isFree {
                logger.info("another migration is under way, waiting for it")
                try connection.query("SELECT pg_advisory_lock(\(id))")
            }
            let result = Swift.Result {
                try SchemaTable.create(connection)
                return try body(connection)
            }
            if case .success = result { try connection.query("SELECT pg_advisory_unlock(\(id))") }
            return try result.get()
        }
    }
}
