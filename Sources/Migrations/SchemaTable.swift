import Postgres

/// golang-migrate's record of where a database stands: `schema_migrations`, empty or with one row.
///
/// Always in `public`. golang-migrate takes the first schema of the search path, which is `wvs` for a user named wvs once that
/// schema exists: then it looks for a table of its own and begins anew. Run it with `search_path=public`.
enum SchemaTable {
    struct State: Sendable, Equatable {
        let version: Int64
        let isDirty: Bool
    }

    static func create(_ connection: isolated PostgresConnection) throws {
        // Asked first: CREATE needs a right that not everybody has, also where there is nothing to create.
        guard try !exists(connection) else { return }
        try connection.script(
            """
            CREATE TABLE IF NOT EXISTS public.schema_migrations
              (version bigint NOT NULL PRIMARY KEY, dirty boolean NOT NULL)
            """)
    }

    /// nil where nothing has been applied.
    static func read(_ connection: isolated PostgresConnection) throws -> State? {
        guard try exists(connection),
            let row = try connection.query("SELECT version, dirty FROM public.schema_migrations LIMIT 1").first
        else { return nil }
        return State(version: try row.value("version"), isDirty: try row.value("dirty"))
    }

    /// - Parameter version: nil for nothing applied.
    static func write(_ version: Int64?, isDirty: Bool = false, _ connection: isolated PostgresConnection) throws {
        try connection.script("TRUNCATE public.schema_migrations")
        guard let version else { return }
        try connection.execute("INSERT INTO public.schema_migrations (version, dirty) VALUES (\(version), \(isDirty))")
    }

    private static func exists(_ connection: isolated PostgresConnection) throws -> Bool {
        let query: Query = "SELECT to_regclass('public.schema_migrations') IS NOT NULL"
        return try connection.query(query).first?.first() ?? false
    }

    /// The advisory lock that golang-migrate's command takes for this table, so that the two tools also wait for each other.
    static func lockID(database: String) -> Int64 {
        Int64(crc32(Array("public\0schema_migrations\0/\(database)".utf8)) &* 1_486_364_155)
    }
}

/// CRC-32 of ISO 3309, as in zlib.
private func crc32(_ bytes: [UInt8]) -> UInt32 {
    var crc: UInt32 = 0xffff_ffff
    for byte in bytes {
        crc ^= UInt32(byte)
        for _ in 0..<8 { crc = crc & 1 == 1 ? crc >> 1 ^ 0xedb8_8320 : crc >> 1 }
    }
    return ~crc
}
