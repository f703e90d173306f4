import Postgres
import RuntimeCore
import TestSupport

let quiet = Logger(level: .error)

/// A pool on an empty database of its own.
func makePool(size: Int = 2) async throws -> PostgresPool {
    PostgresPool(dsn: try await TestDatabase.makeEmpty().dsn, size: size, logger: quiet)
}

extension PostgresPool {
    /// The only value of the only row.
    func scalar<Value: PostgresValue>(_ query: Query, as type: Value.Type = Value.self) async throws -> Value {
        guard let row = try await self.query(query).first else {
            throw PostgresError(.decoding, "no row")
        }
        return try row.first()
    }
}

/// What `body` throws as a `PostgresError`; nil if it does not throw, or something else.
func postgresError(_ body: () async throws -> Void) async -> PostgresError? {
    do {
        try await body()
        return nil
    } catch {
        return error as? PostgresError
    }
}
