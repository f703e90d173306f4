package import Postgres

/// The schema that this build of the programs was made for.
package enum SchemaVersion {
    /// The newest migration; a test holds it against `migrations/`.
    package static let expected: Int64 = 3

    package enum Status: Sendable, Equatable, CustomStringConvertible {
        case current
        /// `wvs-migrate up` has not run yet.
        case behind(found: Int64?)
        /// Migrated by a later release. What runs goes on, for migrations come before the programs that need them; but nothing
        /// starts on a schema that it does not know.
        case ahead(found: Int64)
        case dirty(version: Int64)

        package var description: String {
            switch self {
            case .current: "current"
            case .behind(nil): "the database has no schema yet, run wvs-migrate up"
            case .behind(let found?): "the schema is at \(found), \(expected) is needed: run wvs-migrate up"
            case .ahead(let found):
                "the schema is at \(found), this program knows \(expected): use the release for \(found)"
            case .dirty(let version): "the schema is dirty at version \(version), \(expected) is needed"
            }
        }

        /// Why a program that runs is not ready; nil if it is.
        package var problem: String? {
            switch self {
            case .current, .ahead: nil
            case .behind, .dirty: description
            }
        }
    }

    /// Compares; one round trip.
    package static func status(of pool: PostgresPool) async throws -> Status {
        try await pool.withConnection { connection in
            guard let state = try SchemaTable.read(connection) else { return .behind(found: nil) }
            if state.isDirty { return .dirty(version: state.version) }
            if state.version < expected { return .behind(found: state.version) }
            return state.version > expected ? .ahead(found: state.version) : .current
        }
    }
}
