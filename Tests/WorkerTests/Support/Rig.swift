import ExecutorRPC
import Migrations
import Model
import Postgres
import Runtime
import RuntimeCore
import Store
import TestSupport

@testable import Worker

/// A database, a scripted executor behind a real socket, and as many engines as a test wants.
struct Rig: Sendable {
    let dsn: String
    let pool: PostgresPool
    let executor: ScriptedExecutor
    let addresses: [String]

    static let logger = Logger(level: .error)

    /// Rigs at a time: more would only slow each other down, and short leases would end.
    private static let slots = AsyncSemaphore(4)

    /// Lends a rig; everything in it has ended afterwards.
    static func with(_ body: @Sendable (Rig) async throws -> Void) async throws {
        try await slots.wait()
        defer { slots.signal() }
        try await TestDatabase.with { database in try await with(dsn: database.dsn, body) }
    }

    /// The same on a server of its own, which the test may stop.
    static func withServer(_ body: @Sendable (Rig, TestServer) async throws -> Void) async throws {
        try await slots.wait()
        defer { slots.signal() }
        let server = try await TestServer.start()
        try await migrate(server)
        try await with(dsn: server.dsn()) { rig in try await body(rig, server) }
    }

    private static func with(dsn: String, _ body: @Sendable (Rig) async throws -> Void) async throws {
        let executor = ScriptedExecutor()
        let server = try ExecutorServer(
            address: "127.0.0.1:0", service: executor, drainTimeout: .zero, logger: logger)
        let serving = Task { try await server.run() }
        let pool = PostgresPool(dsn: dsn, size: 4, logger: logger)
        let rig = Rig(dsn: dsn, pool: pool, executor: executor, addresses: ["127.0.0.1:\(server.port)"])
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body(rig)) } catch { outcome = .failure(error) }
        server.shutdown()
        try await serving.value
        await pool.close()
        try outcome.get()
    }

    /// What a test wants of an engine: short times.
    static var options: EngineOptions {
        var options = EngineOptions()
        options.lease = .seconds(3)
        options.retry = Backoff(base: .milliseconds(20), limit: .milliseconds(200))
        options.settle = Backoff(base: .milliseconds(10), limit: .milliseconds(50))
        options.settleTimeout = .seconds(2)
        options.reapInterval = .milliseconds(100)
        options.purgeInterval = .milliseconds(100)
        options.progressInterval = .milliseconds(50)
        options.drainTimeout = .seconds(10)
        return options
    }

    func makeEngine(
        _ options: EngineOptions = Rig.options, addresses: [String]? = nil, metrics: MetricsRegistry = MetricsRegistry()
    ) throws -> TaskEngine {
        TaskEngine(
            pool: pool, database: ConnectionSettings(dsn: dsn, applicationName: "worker"),
            executors: try Executors(addresses: addresses ?? self.addresses, logger: Rig.logger),
            options: options, metrics: WorkerMetrics(metrics), logger: Rig.logger)
    }

    /// wvs-worker as a process, with short times, and what the test wants otherwise.
    func startWorker(_ settings: [String: String] = [:]) throws -> ProgramProcess {
        let usual = [
            "WVS_DB_DSN": dsn, "EXECUTOR_ADDRS": addresses[0], "WVS_METRICS_ADDR": "127.0.0.1:0", "WORKER_LEASE": "1s",
            "WORKER_RETRY_BASE": "10ms", "WORKER_POLL_INTERVAL": "50ms", "WORKER_IDLE_BACKOFF": "50ms",
            "WORKER_SHUTDOWN_TIMEOUT": "5s",
        ]
        return try ProgramProcess("wvs-worker", environment: usual.merging(settings) { $1 })
    }

    /// Runs an engine while `body` runs, and shuts it down.
    func running(_ engine: TaskEngine, _ body: () async throws -> Void) async throws {
        let run = Task { try await engine.run() }
        let outcome: Result<Void, any Error>
        do { outcome = .success(try await body()) } catch { outcome = .failure(error) }
        engine.shutdown()
        try await run.value
        try outcome.get()
    }

    /// The claims of a worker that then vanishes: nobody renews, nobody shows a sign of life.
    func ghost(lease: Duration) -> Ledger {
        Ledger(
            pool: pool, holder: LeaseHolder(id: "ghost-\(UUIDv7.make())", lease: lease), backoff: Rig.options.retry,
            paths: WorkspacePaths(root: "/ws"), metrics: WorkerMetrics(MetricsRegistry()))
    }

    // MARK: Data

    func addWorkspace(_ wsid: String = "ws-1", state: WorkspaceState = .active) async throws {
        try await pool.withConnection { connection in
            _ = try Workspaces.insert(
                wsid: wsid, owner: "test", rootPath: "/ws/\(wsid)", currentPath: "/ws/\(wsid)/current", uid: nil,
                gid: nil, on: connection)
            if state != .provisioning {
                try Workspaces.setState(wsid, from: .provisioning, to: state, on: connection)
            }
        }
    }

    func addSnapshot(_ snapshotID: String = UUIDv7.make(), in wsid: String = "ws-1") async throws -> String {
        try await pool.withConnection { connection in
            try Snapshots.insert(
                snapshotID, wsid: wsid, fsPath: "/ws/\(wsid)/snapshots/\(snapshotID)", message: nil, on: connection)
        }
        return snapshotID
    }

    func enqueue(
        _ parameters: TaskParameters, in wsid: String = "ws-1", maxAttempts: Int = 5, timeout: Int = 300
    ) async throws -> String {
        let id = UUIDv7.make()
        try await pool.transaction { connection in
            _ = try Tasks.insert(
                NewTask(
                    taskID: id, wsid: wsid, parameters: parameters, idempotencyKey: id, requestHash: "", requestID: id),
                on: connection)
            try connection.execute(
                """
                UPDATE wvs.tasks SET max_attempts = \(maxAttempts), timeout_seconds = \(timeout) WHERE task_id = \(id)
                """)
        }
        _ = try await pool.query("SELECT pg_notify('wvs_tasks', '')")
        return id
    }

    func enqueueSnapshot(in wsid: String = "ws-1", maxAttempts: Int = 5, timeout: Int = 300) async throws -> String {
        try await enqueue(
            .snapshotCreate(snapshotID: UUIDv7.make(), message: "m"), in: wsid, maxAttempts: maxAttempts,
            timeout: timeout)
    }

    func task(_ id: String) async throws -> TaskRecord {
        let task = try await pool.withConnection { connection in try Tasks.get(id, on: connection) }
        guard let task else { throw Missing(what: "task \(id)") }
        return task
    }

    func workspace(_ wsid: String = "ws-1") async throws -> Workspace {
        let workspace = try await pool.withConnection { connection in try Workspaces.get(wsid, on: connection) }
        guard let workspace else { throw Missing(what: "workspace \(wsid)") }
        return workspace
    }

    func snapshot(_ id: String, in wsid: String = "ws-1") async throws -> Snapshot? {
        try await pool.withConnection { connection in try Snapshots.lock(id, of: wsid, .share, on: connection) }
    }

    func requestCancel(_ id: String) async throws {
        _ = try await pool.query("UPDATE wvs.tasks SET cancel_requested = true WHERE task_id = \(id)")
        _ = try await pool.query("SELECT pg_notify('wvs_cancel', \(id))")
    }

    func leaseEnd(of id: String) async throws -> Timestamp? {
        try await pool.query("SELECT lease_expires_at FROM wvs.tasks WHERE task_id = \(id)").first?.first()
    }

    /// Applies the migrations on a server of the test's own.
    private static func migrate(_ server: TestServer) async throws {
        let pool = PostgresPool(dsn: server.dsn(), size: 1, logger: logger)
        try await Migrator(
            pool: pool, migrations: try Migration.load(from: TestDatabase.migrationsFolder), logger: logger
        ).up()
        await pool.close()
    }

    /// Waits until a task has one of these states, and answers it.
    @discardableResult
    func wait(for id: String, _ status: TaskStatus...) async throws -> TaskRecord {
        try await eventually("task \(id) is \(status)") { status.contains(try await task(id).status) }
        return try await task(id)
    }

    /// Waits until the pool reaches its server again.
    func reconnected() async throws {
        try await eventually("the database is back") {
            do {
                _ = try await pool.query("SELECT")
                return true
            } catch let error as PostgresError where error.isUnavailable {
                return false
            }
        }
    }

    /// The states that the audit trail tells of a task, oldest first.
    func auditedStates(of id: String) async throws -> [String] {
        try await pool.query(
            "SELECT payload->'after'->>'status' AS status FROM wvs.audit WHERE task_id = \(id) ORDER BY event_id"
        ).map { try $0.value("status") }
    }

    struct Missing: Error { let what: String }
}

extension TaskParameters {
    static func dropping(_ snapshotID: String) -> TaskParameters { .snapshotDrop(snapshotID: snapshotID) }
    static func setting(_ snapshotID: String) -> TaskParameters {
        .setCurrent(snapshotID: snapshotID, liveID: UUIDv7.make(), discard: false)
    }
}
