import Model
import Postgres
import Runtime
import RuntimeCore
import Store
import TestSupport

/// A database with a pool on it.
struct Fixture: Sendable {
    let dsn: String
    let pool: PostgresPool

    static func with(_ body: @escaping @Sendable (Fixture) async throws -> Void) async throws {
        try await TestDatabase.with { database in
            let pool = PostgresPool(dsn: database.dsn, size: 3, logger: Logger(level: .error))
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await body(Fixture(dsn: database.dsn, pool: pool))) } catch {
                outcome = .failure(error)
            }
            await pool.close()
            try outcome.get()
        }
    }

    @discardableResult
    func addWorkspace(_ wsid: String = "ws-1") async throws -> Workspace? {
        try await pool.withConnection { connection in
            try Workspaces.insert(
                wsid: wsid, owner: "somebody", rootPath: "/ws/\(wsid)", currentPath: "/ws/\(wsid)/live/x", uid: 1000,
                gid: nil, on: connection)
        }
    }

    func addSnapshot(_ id: String, in wsid: String = "ws-1") async throws {
        try await pool.withConnection { connection in
            try Snapshots.insert(id, wsid: wsid, fsPath: "/ws/\(wsid)/snapshots/\(id)", message: nil, on: connection)
        }
    }

    @discardableResult
    func addTask(
        _ parameters: TaskParameters = .snapshotCreate(snapshotID: "s", message: nil), in wsid: String = "ws-1",
        key: String = UUIDv7.make()
    ) async throws -> TaskRecord? {
        try await pool.withConnection { connection in
            try Tasks.insert(
                NewTask(
                    taskID: UUIDv7.make(), wsid: wsid, parameters: parameters, idempotencyKey: key,
                    requestHash: "hash", requestID: "request"), on: connection)
        }
    }

    /// Runs `body` on one connection.
    func on<Result: Sendable>(
        _ body: @escaping @Sendable (isolated PostgresConnection) throws -> Result
    ) async throws -> Result { try await pool.withConnection(body) }

    func claim(_ limit: Int = 8, by worker: String = "worker", lease: Duration = .seconds(60)) async throws
        -> [ClaimedTask]
    {
        try await pool.transaction { connection in
            var turn = ClaimTurn()
            return try Tasks.claim(
                limit: limit, by: LeaseHolder(id: worker, lease: lease), turn: &turn, on: connection)
        }
    }

    /// The plan of a query, line by line; `how` such as `ANALYZE`.
    func plan(_ query: Query, _ how: String = "COSTS OFF") async throws -> [String] {
        try await on { connection in
            try connection.query("EXPLAIN (\(unescaped: how)) \(query)").map { try $0.first(as: String.self) }
        }
    }
}
