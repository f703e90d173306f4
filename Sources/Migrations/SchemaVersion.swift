package import Postgres

/// The schema that this build of the programs was made for.
package enum SchemaVersion {
    /// The newest migration; a test holds it against `migrations/`.
    package static let expected: Int64 = 3

    package enum Status: Sendable, Equatable, CustomStringConvertible {
        /// As expected, or newer: migrations come before the programs that need them.
        case current
        /// `wvs-migrate up` has not run yet.
        case behind(found: Int64?)
        case dirty(version: Int64)

        package var description: String {
            switch self {
            case .current: "current"
            case .behind(nil): "the database has no schema yet, run wvs-migrate up"
            case .behind(let found?): "the schema is at \(found), \(expected) is needed: run wvs-migrate up"
            case .dirty(let version): "the schema is dirty at version \(version)"
            }
        }
    }

    /// Compares; one round trip.
    package static func status(of pool: PostgresPool) async throws -> Status {
        try await pool.withConnection { connection in
            guard let state = try SchemaTable.read(connection) else { return .behind(found: nil) }
            if state.isDirty { return .dirty(version: state.version) }
            return state.version < expected ? .behind(found: state.version) : .current
        }
    }
}
