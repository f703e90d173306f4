import Migrations
import Postgres
import RuntimeCore
import TestSupport

let quiet = Logger(level: .error)

func makePool() async throws -> PostgresPool {
    PostgresPool(dsn: try await TestDatabase.makeEmpty().dsn, size: 1, logger: quiet)
}

/// A migrator with the given migrations, or those of the source tree.
func makeMigrator(_ pool: PostgresPool, _ migrations: [Migration]? = nil) throws -> Migrator {
    Migrator(
        pool: pool, migrations: try migrations ?? Migration.load(from: TestDatabase.migrationsFolder), logger: quiet)
}

/// Lends a folder with the given files.
func withFolder<Result>(_ files: [String: String], _ body: (String) async throws -> Result) async throws -> Result {
    let folder = try ScratchFolder()
    for (name, text) in files { try folder.write(text, to: name) }
    return try await body(folder.path)
}
