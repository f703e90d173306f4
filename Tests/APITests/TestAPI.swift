import JSON
import Migrations
import Model
import Postgres
import Runtime
import RuntimeCore
import Store
import TestSupport

@testable import API

/// A wvs-api inside the test process, on free ports, with a database of its own.
struct TestAPI: Sendable {
    let address: SocketAddress
    let metricsAddress: SocketAddress
    let pool: PostgresPool
    let dsn: String
    private let program: APIProgram

    /// Lends one for the length of `body`, and shuts it down as its program would.
    static func with<Result>(_ body: (TestAPI) async throws -> Result) async throws -> Result {
        try await TestDatabase.with { database in try await with(dsn: database.dsn, body) }
    }

    static func with<Result>(dsn: String, _ body: (TestAPI) async throws -> Result) async throws -> Result {
        let environment = [
            "WVS_DB_DSN": dsn, "WVS_LISTEN_ADDR": "127.0.0.1:0", "WVS_METRICS_ADDR": "127.0.0.1:0",
            "WVS_WORKSPACE_ROOT": "/mnt/ws/",
        ]
        var reader = SettingsReader(program: "wvs-api", summary: "", environment: environment, arguments: [])
        let settings = APISettings(&reader)
        try reader.finish()
        let program = try APIProgram(settings, logger: Logger(level: .error))
        let pool = PostgresPool(dsn: dsn, size: 2, applicationName: "test", logger: Logger(level: .error))
        let running = program.services.map { service in Task { try await service.run() } }
        let api = TestAPI(
            address: program.address, metricsAddress: program.metricsAddress, pool: pool, dsn: dsn, program: program)
        let outcome: Swift.Result<Result, any Error>
        do { outcome = .success(try await body(api)) } catch { outcome = .failure(error) }
        for (service, task) in zip(program.services, running).reversed() {
            service.shutdown()
            try await task.value
        }
        await pool.close()
        return try outcome.get()
    }

    var routes: [(method: String, pattern: String)] { program.routes }

    /// Where the database has no schema yet.
    func migrate() async throws {
        let migrations = try Migration.load(from: TestDatabase.migrationsFolder)
        try await Migrator(pool: pool, migrations: migrations, logger: Logger(level: .error)).up()
    }

    /// Shuts down the part that others wait in, as the program does first.
    func beginShutdown() { program.services.last?.shutdown() }

    func get(_ path: String, headers: [String: String] = [:]) async throws -> HTTPExchange {
        try await HTTPExchange.send("GET", path, to: address, headers: headers)
    }

    func post(_ path: String, _ body: JSONValue?, key: String?, headers: [String: String] = [:]) async throws
        -> HTTPExchange
    {
        try await write("POST", path, body, key: key, headers: headers)
    }

    func delete(_ path: String, key: String?) async throws -> HTTPExchange {
        try await write("DELETE", path, nil, key: key, headers: [:])
    }

    private func write(
        _ method: String, _ path: String, _ body: JSONValue?, key: String?, headers: [String: String]
    ) async throws -> HTTPExchange {
        var headers = headers
        headers["Idempotency-Key"] = key
        return try await HTTPExchange.send(method, path, to: address, headers: headers, body: body)
    }

    /// A body as it is, also where it is no JSON.
    func postText(_ path: String, _ body: String, type: String? = "application/json") async throws -> TestResponse {
        var headers = [("Idempotency-Key", UUIDv7.make())]
        if let type { headers.append(("Content-Type", type)) }
        return try await RawConnection.request("POST", path, at: address, headers: headers, body: body)
    }
}

// What the worker would have done.
extension TestAPI {
    /// A workspace whose first task has succeeded.
    func makeActiveWorkspace(_ wsid: String = "ws-1") async throws {
        let answer = try await post(
            "/v1/workspaces", ["wsid": .string(wsid), "owner": "alice"], key: "make \(wsid)".key)
        guard answer.status == 202 else { throw ProgramError(message: answer.body) }
        try await pool.execute("UPDATE wvs.workspaces SET state = 'ACTIVE' WHERE wsid = \(wsid)")
        try await endTasks(of: wsid, as: .succeeded)
    }

    func endTasks(of wsid: String, as status: TaskStatus) async throws {
        try await pool.execute(
            "UPDATE wvs.tasks SET status = \(status), ended_at = now() WHERE wsid = \(wsid) AND status = 'PENDING'")
    }

    func setState(_ state: WorkspaceState, of wsid: String = "ws-1") async throws {
        try await pool.execute("UPDATE wvs.workspaces SET state = \(state) WHERE wsid = \(wsid)")
    }

    /// A snapshot as the end of its task leaves it.
    @discardableResult
    func makeSnapshot(of wsid: String = "ws-1", message: String? = nil) async throws -> String {
        let id = UUIDv7.make()
        try await pool.withConnection { connection in
            try Snapshots.insert(
                id, wsid: wsid, fsPath: "/mnt/ws/\(wsid)/snapshots/\(id)", message: message, on: connection)
        }
        return id
    }

    /// A task that was accepted in some way.
    func addTask(_ parameters: TaskParameters, in wsid: String = "ws-1") async throws -> String {
        let id = UUIDv7.make()
        let new = NewTask(
            taskID: id, wsid: wsid, parameters: parameters, idempotencyKey: id, requestHash: "", requestID: id)
        _ = try await pool.withConnection { connection in try Tasks.insert(new, on: connection) }
        return id
    }

    func task(_ id: String) async throws -> TaskRecord {
        let task = try await pool.withConnection { connection in try Tasks.get(id, on: connection) }
        guard let task else { throw ProgramError(message: "there is no task \(id)") }
        return task
    }

    func count(_ query: Query) async throws -> Int { try await pool.query(query).first?.first() ?? 0 }
}

extension String {
    /// As an idempotency key.
    var key: String { replacing(" ", with: "-") }
}

extension HTTPExchange {
    /// What a refusal looks like, in short.
    var refusal: String { "\(status) \((try? json)?["code"]?.string ?? "no code")" }
}
