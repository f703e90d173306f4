import JSON
import Model
import Postgres
import Runtime
import RuntimeCore
import Store
import TestSupport
import Testing

@testable import Worker

/// Histories of the simulation, made again on real PostgreSQL by the code of `Store` and `Ledger`: the model's rows and the real
/// ones must be the same, at every time that the model says it is.
@Suite struct ReplayTests {
    private static let histories: UInt64 = 200

    @Test func `PostgreSQL agrees with the simulated database, row by row`() async throws {
        try await withThrowingTaskGroup(of: Int.self) { group in
            for lane in 0..<UInt64(3) {
                group.addTask {
                    try await TestDatabase.with { database in
                        var steps = 0
                        let replay = try await Replay(dsn: database.dsn)
                        for seed in stride(from: lane, to: Self.histories, by: 3) {
                            let simulation = Simulation(seed: seed, isSerial: true, duration: 3_000_000)
                            simulation.run()
                            #expect(simulation.violation == nil, "seed \(seed)")
                            let difference = try await replay.difference(from: simulation)
                            #expect(difference == nil, "seed \(seed)")
                            steps += simulation.history.count
                        }
                        await replay.close()
                        return steps
                    }
                }
            }
            print("replayed \(try await group.reduce(0, +)) transactions of \(Self.histories) histories")
        }
    }
}

/// A database whose clock a test sets.
struct Replay: Sendable {
    private let pool: PostgresPool

    init(dsn: String) async throws {
        pool = PostgresPool(
            ConnectionSettings(dsn: dsn, applicationName: "replay"), PostgresPool.Limits(size: 1),
            logger: Logger(level: .error)
        ) { connection in
            // Before pg_catalog: an unqualified now() is ours.
            try connection.script(
                "SET search_path = simulation, pg_catalog; SET simulation.now = '2026-01-01 00:00:00+00'")
        }
        try await pool.withConnection { connection in
            try connection.script(
                """
                CREATE SCHEMA simulation;
                CREATE FUNCTION simulation.now() RETURNS timestamptz STABLE LANGUAGE sql
                    AS $$ SELECT current_setting('simulation.now')::timestamptz $$;
                ALTER TABLE wvs.tasks ALTER created_at SET DEFAULT simulation.now(),
                                      ALTER next_run_at SET DEFAULT simulation.now(), ALTER max_attempts SET DEFAULT 3
                """)
        }
    }

    func close() async { await pool.close() }

    /// Makes the history again; nil if the rows are the same in the end.
    func difference(from simulation: Simulation) async throws -> String? {
        let wanted = simulation.describedRows
        let history = Transfer(simulation.history)
        let workspaces = simulation.database.rows.workspaces.count
        try await pool.withConnection { connection in
            try connection.script("TRUNCATE wvs.workspaces, wvs.tasks, wvs.snapshots, wvs.audit CASCADE")
            for number in 0..<workspaces {
                _ = try Workspaces.insert(
                    wsid: "ws-\(number)", owner: "o", rootPath: "/ws/ws-\(number)", currentPath: "", uid: nil, gid: nil,
                    on: connection)
            }
        }
        let accepted = Mutex(0)
        for (time, step) in history.value {
            _ = try await pool.withConnection { connection in
                try connection.query("SELECT set_config('simulation.now', \(Timestamp(microseconds: time)), false)")
            }
            try await make(step, accepted)
        }
        let found = try await describedRows()
        for (left, right) in zip(wanted, found) where left != right { return "simulated \(left)\nreal      \(right)" }
        return wanted.count == found.count ? nil : "\(wanted.count) rows simulated, \(found.count) real"
    }

    /// The history is read by nobody else any more.
    private struct Transfer: @unchecked Sendable {
        let value: [(time: Int64, step: HistoryStep)]
        init(_ value: [(time: Int64, step: HistoryStep)]) { self.value = value }
    }

    private func ledger(_ worker: String) -> Ledger {
        Ledger(
            pool: pool, holder: LeaseHolder(id: worker, lease: SimulatedWorker.lease),
            backoff: Backoff(base: .milliseconds(300), limit: .seconds(4)), paths: WorkspacePaths(root: "/ws"),
            metrics: WorkerMetrics(MetricsRegistry()))
    }

    // MARK: Steps

    private func make(_ step: HistoryStep, _ accepted: Mutex<Int>) async throws {
        switch step {
        case .request(let request): try await make(request, accepted)
        case .claim(let limit, let worker): _ = try await ledger(worker).claim(limit: limit)
        case .renew(let held): _ = try await ledger("").renew(held)
        case .handBack(let held): try await ledger("").handBack(held)
        case .raiseFence(let owned, let floor): _ = try await ledger("").raiseFence(of: owned, above: floor)
        case .takeOver(let limit, let abandoned, let worker):
            _ = try await ledger(worker).takeOver(limit: limit, abandoned: abandoned)
        case .finish(let completions): _ = try await ledger("").finish(completions)
        case .mark(let snapshot, let owned):
            let task = try await pool.withConnection { try Tasks.get(owned.taskID, on: $0) }
            _ = try await ledger("").markDropped(snapshot, for: owned, in: task?.wsid ?? "")
        case .claimPurges: _ = try await ledger("").claimPurges(workspaces: 100)
        case .raisePurgeFence(let workspace, let floor):
            _ = try await ledger("").raisePurgeFence(of: "ws-\(workspace)", above: floor)
        case .markPurged(let snapshot): try await ledger("").markPurged(snapshot)
        }
    }

    /// As wvs-api does it, with the ids of the simulation.
    private func make(_ request: SimulatedRequest, _ accepted: Mutex<Int>) async throws {
        try await pool.transaction { connection in
            switch request {
            case .create(let workspace, let key, let live):
                try add(.initWorkspace(liveID: live, uid: nil, gid: nil), workspace, key, accepted, on: connection)
            case .retryInit(let workspace, let key, let live):
                guard try Workspaces.lock("ws-\(workspace)", .noKeyUpdate, on: connection)?.state == .initFailed else {
                    return
                }
                try Workspaces.setState("ws-\(workspace)", from: .initFailed, to: .provisioning, on: connection)
                try add(.initWorkspace(liveID: live, uid: nil, gid: nil), workspace, key, accepted, on: connection)
            case .snapshot(let workspace, let key, let id):
                guard try isActive(workspace, on: connection) else { return }
                try add(.snapshotCreate(snapshotID: id, message: nil), workspace, key, accepted, on: connection)
            case .set(let workspace, let key, let snapshot, let live, let discard):
                guard try isActive(workspace, on: connection),
                    try Snapshots.lock(snapshot, of: "ws-\(workspace)", .share, on: connection)?.deletedAt == nil,
                    try Snapshots.pendingDrop(of: snapshot, in: "ws-\(workspace)", on: connection) == nil
                else { return }
                try add(
                    .setCurrent(snapshotID: snapshot, liveID: live, discard: discard), workspace, key, accepted,
                    on: connection)
            case .drop(let workspace, let key, let snapshot):
                guard try isActive(workspace, on: connection),
                    try Snapshots.lock(snapshot, of: "ws-\(workspace)", .update, on: connection)?.deletedAt == nil,
                    try Snapshots.use(of: snapshot, in: "ws-\(workspace)", on: connection) == nil
                else { return }
                try add(.snapshotDrop(snapshotID: snapshot), workspace, key, accepted, on: connection)
            case .cancel(let task): try cancel(SimulatedStatements.id(task), on: connection)
            case .disable(let workspace):
                guard try Workspaces.lock("ws-\(workspace)", .update, on: connection) != nil,
                    try Tasks.firstUnfinished(in: "ws-\(workspace)", on: connection) == nil
                else { return }
                try Workspaces.setState("ws-\(workspace)", from: .active, to: .disabled, on: connection)
            }
        }
    }

    private func isActive(_ workspace: Int, on connection: isolated PostgresConnection) throws -> Bool {
        try Workspaces.lock("ws-\(workspace)", .share, on: connection)?.state == .active
    }

    private func add(
        _ parameters: TaskParameters, _ workspace: Int, _ key: String, _ accepted: Mutex<Int>,
        on connection: isolated PostgresConnection
    ) throws {
        let wsid = "ws-\(workspace)"
        guard
            try Tasks.find(wsid: wsid, operation: parameters.operation, idempotencyKey: key, on: connection) == nil
        else { return }
        let number = accepted.withLock { $0 }
        let task = try Tasks.insert(
            NewTask(
                taskID: SimulatedStatements.id(number), wsid: wsid, parameters: parameters, idempotencyKey: key,
                requestHash: "", requestID: ""), on: connection)
        if task != nil { accepted.withLock { $0 += 1 } }
    }

    private func cancel(_ id: String, on connection: isolated PostgresConnection) throws {
        guard let task = try Tasks.lock(id, .update, on: connection) else { return }
        if task.status == .running { _ = try Tasks.requestCancel(id, on: connection) }
        guard try Tasks.cancelWaiting(id, on: connection) != nil else { return }
        try Audit.insert(
            AuditEvent(
                task.operation.auditAction, by: .anonymous(address: ""), wsid: task.wsid, requestID: nil, taskID: id,
                after: ["status": "CANCELED"]), on: connection)
        if task.operation == .initWorkspace {
            try Workspaces.setState(task.wsid, from: .provisioning, to: .initFailed, on: connection)
        }
    }

    // MARK: Rows

    private func describedRows() async throws -> [String] {
        try await pool.withConnection { connection in
            try connection.query(
                """
                SELECT concat_ws(' ', wsid, state, fence_seq, current_path, current_snapshot_id) AS row
                FROM wvs.workspaces ORDER BY wsid
                """
            ).map { try $0.first(as: String.self) }
                + connection.query(
                    """
                    SELECT concat_ws(' ', task_id, wsid, op, status, idempotency_key, 'attempt', attempt, 'fence', fence,
                                     'owner', lease_owner, 'lease', round(extract(epoch FROM lease_expires_at) * 1000000),
                                     'created', round(extract(epoch FROM created_at) * 1000000),
                                     'next', round(extract(epoch FROM next_run_at) * 1000000),
                                     'ended', round(extract(epoch FROM ended_at) * 1000000), error->>'code') AS row
                    FROM wvs.tasks ORDER BY task_id
                    """
                ).map { try $0.first(as: String.self) }
                + connection.query(
                    """
                    SELECT concat_ws(' ', snapshot_id, wsid, deleted_at IS NOT NULL, purged_at IS NOT NULL) AS row
                    FROM wvs.snapshots ORDER BY snapshot_id COLLATE "C"
                    """
                ).map { try $0.first(as: String.self) }
                + connection.query(
                    """
                    SELECT concat_ws(' ', task_id, count(*)) AS row FROM wvs.audit
                    WHERE payload->'after'->>'status' IN ('SUCCEEDED', 'CANCELED', 'DEAD') GROUP BY task_id ORDER BY task_id
                    """
                ).map { try $0.first(as: String.self) }
        }
    }
}

extension Simulation {
    /// The rows in the words of `Replay`.
    fileprivate var describedRows: [String] {
        func words(_ parts: (any CustomStringConvertible)?...) -> String {
            parts.compactMap { $0?.description }.joined(separator: " ")
        }
        let rows = database.rows
        return rows.workspaces.enumerated().map { number, row in
            // The database holds paths as agents see them.
            let current = row.current.isEmpty ? "" : "/ws/ws-\(number)/\(row.current)"
            return words("ws-\(number)", row.state.rawValue, row.fence, current, row.currentSnapshot)
        }
            + rows.tasks.map { row in
                let record = row.record
                return words(
                    record.taskID, record.wsid, record.operation.rawValue, record.status.rawValue,
                    record.idempotencyKey, "attempt", record.attempt, "fence", record.fence, "owner", row.owner,
                    "lease", row.leaseEnd, "created", record.createdAt.microseconds, "next",
                    record.nextRunAt.microseconds, "ended", record.endedAt?.microseconds, record.error?.code)
            }
            + rows.snapshots.sorted { $0.key < $1.key }.map { id, row in
                words(id, "ws-\(row.workspace)", row.deleted ? "t" : "f", row.purged ? "t" : "f")
            }
            + rows.tasks.indices.filter { rows.ends[$0] > 0 }.map { words(SimulatedStatements.id($0), rows.ends[$0]) }
    }
}
