import JSON
import Model
import Postgres
import Runtime
import RuntimeCore
import Store

/// Enqueues snapshots in workspaces `ws-0`… as wvs-api does: the same statements in one transaction, NOTIFY after the commit from a
/// connection of its own.
struct Load {
    private let pool: PostgresPool
    private let notifier: Notifier?
    private let clients: Int

    init(dsn: String, clients: Int, notifies: Bool) throws {
        let logger = Logger(level: .error)
        pool = PostgresPool(dsn: dsn, size: clients, applicationName: "queue-bench", logger: logger)
        notifier =
            notifies ? Notifier(ConnectionSettings(dsn: dsn, applicationName: "queue-bench"), logger: logger) : nil
        self.clients = clients
    }

    func enqueue(_ count: Int) async throws -> Duration {
        try await running { try await measured(count) { try await fill(count, workspaces: $0) } }
    }

    func cycle(_ count: Int) async throws -> Duration {
        try await running {
            try await measured(count) { workspaces in
                let before = try await unfinished()
                try await fill(count, workspaces: workspaces)
                while try await unfinished() > before { try await Task.sleep(for: .milliseconds(2)) }
            }
        }
    }

    func trickle(_ count: Int, pause: Duration) async throws {
        _ = try await running {
            try await measured(count) { workspaces in
                for number in 0..<count {
                    try await add(to: number % workspaces)
                    try await Task.sleep(for: pause)
                }
            }
        }
    }

    private func running(_ body: () async throws -> Duration) async throws -> Duration {
        let notifying = notifier.map { notifier in Task { try await notifier.run() } }
        let duration = try await body()
        notifier?.shutdown()
        try await notifying?.value
        await pool.close()
        return duration
    }

    private func measured(_ count: Int, _ body: (Int) async throws -> Void) async throws -> Duration {
        let workspaces: Int =
            try await pool.query("SELECT count(*) FROM wvs.workspaces WHERE wsid LIKE 'ws-%'").first?.first() ?? 0
        // Every connection is there before the clock runs.
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<clients { group.addTask { _ = try await pool.query("SELECT pg_sleep(0.05)") } }
            try await group.waitForAll()
        }
        let start = MonotonicTime.now
        try await body(workspaces)
        return .now - start
    }

    private func unfinished() async throws -> Int {
        try await pool.query(
            "SELECT count(*) FROM wvs.tasks WHERE status IN ('PENDING', 'RUNNING', 'FAILED')"
        ).first?.first() ?? 0
    }

    private func fill(_ count: Int, workspaces: Int) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for client in 0..<clients {
                group.addTask {
                    for number in stride(from: client, to: count, by: clients) {
                        try await add(to: number * 7919 % workspaces)
                    }
                }
            }
            try await group.waitForAll()
        }
    }

    private func add(to workspace: Int) async throws {
        let id = UUIDv7.make()
        let wsid = "ws-\(workspace)"
        let new = NewTask(
            taskID: id, wsid: wsid, parameters: .snapshotCreate(snapshotID: UUIDv7.make(), message: nil),
            idempotencyKey: id, requestHash: "", requestID: id)
        let event = AuditEvent(
            .snapshotCreate, by: .anonymous(address: "127.0.0.1"), wsid: wsid, requestID: id, taskID: id,
            after: ["status": .string(TaskStatus.pending.rawValue), "params": .object(new.params)])
        try await pool.transaction { connection in
            let found = try Tasks.find(
                wsid: wsid, operation: .snapshotCreate, idempotencyKey: id, locking: .share, on: connection)
            guard found.task == nil, found.workspace?.state == .active,
                try Tasks.insert(new, event: event, on: connection) != nil
            else { throw PostgresError(.decoding, "not accepted") }
        }
        notifier?.notify(.tasks)
    }
}
