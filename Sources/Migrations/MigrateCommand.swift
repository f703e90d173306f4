package import RuntimeCore
import Postgres

/// `wvs-migrate`: up, down, version, force.
package enum MigrateCommand: Equatable, Sendable {
    case up
    case down(Int)
    case version
    /// nil for nothing applied, as golang-migrate's -1.
    case force(Int64?)

    package static let usage = """
        Applies the schema's migrations. Nothing else ever does.

        usage: wvs-migrate [--db-dsn DSN] [--migrations DIR] COMMAND

          up          apply what has not been applied
          down N      take back the last N
          version     print where the database stands
          force V     record version V (-1: none) without running anything, and that the database is clean

          --db-dsn (WVS_DB_DSN)
              the database, as libpq takes it: postgres://… or key=value [required]
          --migrations (WVS_MIGRATIONS)
              the folder with the files, in golang-migrate's format [./migrations]

          --help, --version

        exit status: 0 done, 1 failed, 2 called wrongly
        """

    /// nil where the words are no command.
    package init?(_ words: [String]) {
        switch words.first {
        case "up" where words.count == 1: self = .up
        case "version" where words.count == 1: self = .version
        case "down" where words.count == 2:
            guard let count = Int(words[1]), count > 0 else { return nil }
            self = .down(count)
        case "force" where words.count == 2:
            guard let version = Int64(words[1]), version >= -1 else { return nil }
            self = .force(version == -1 ? nil : version)
        default: return nil
        }
    }

    /// Runs it; answers what to print.
    package func run(dsn: String, folder: String, logger: Logger) async throws -> String {
        let pool = PostgresPool(dsn: dsn, size: 1, applicationName: "wvs-migrate", logger: logger)
        let migrator = Migrator(pool: pool, migrations: try Migration.load(from: folder), logger: logger)
        switch self {
        case .up: return list(try await migrator.up(), "applied", none: "nothing to apply")
        case .down(let count): return list(try await migrator.down(count), "taken back", none: "nothing to take back")
        case .version:
            guard let state = try await migrator.version() else { return "none" }
            return state.isDirty ? "\(state.version) dirty" : "\(state.version)"
        case .force(let version):
            try await migrator.force(version)
            return version.map { "at version \($0)" } ?? "at no version"
        }
    }

    private func list(_ versions: [Int64], _ done: String, none: String) -> String {
        versions.isEmpty ? none : "\(done): \(versions.map(String.init).joined(separator: ", "))"
    }
}
