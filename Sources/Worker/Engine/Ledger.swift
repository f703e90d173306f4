import JSON
import Model
import Postgres
import Runtime
import RuntimeCore
import Store

/// What the task engine writes to the database, each change with its audit row in one transaction.
struct Ledger: Sendable {
    let pool: PostgresPool
    let holder: LeaseHolder
    let backoff: Backoff
    let paths: WorkspacePaths
    let metrics: WorkerMetrics
    private let turn = Mutex(ClaimTurn())

    // MARK: Claim

    struct Claim: Sendable {
        let tasks: [ClaimedTask]
        /// Where nothing was found: when there is something to be claimed, zero where only locks of others kept it from us.
        let nextDue: Duration?
    }

    /// Claims up to `limit` tasks. A lost race (23505) is claimed again; what another worker got is then no longer seen.
    func claim(limit: Int) async throws -> Claim {
        var races = 0
        while true {
            do {
                return try await pool.withConnection { connection in
                    var next = turn.withLock { $0 }
                    defer { turn.withLock { $0 = next } }
                    let tasks = try connection.transaction { connection in
                        let tasks = try Tasks.claim(limit: limit, by: holder, turn: &next, on: connection)
                        try Audit.insert(tasks.map(started), on: connection)
                        if !tasks.isEmpty { Failpoint.hit("worker.claim.before_commit") }
                        return tasks
                    }
                    return Claim(
                        tasks: tasks, nextDue: tasks.isEmpty ? try Tasks.timeToNextClaim(on: connection) : nil)
                }
            } catch let error as PostgresError where error.isUniqueViolation() && races < limit {
                races += 1
            }
        }
    }

    private func started(_ claimed: ClaimedTask) -> AuditEvent {
        let task = claimed.task
        return event(
            task,
            before: state(claimed.previousStatus, attempt: task.attempt - 1),
            after: state(.running, attempt: task.attempt, ["fence": .integer(claimed.fence)]))
    }

    // MARK: Leases

    func renew(_ held: [TaskFence]) async throws -> [RenewedTask] {
        try await pool.withConnection { connection in
            try Tasks.renew(held, for: holder.lease, on: connection)
        }
    }

    func handBack(_ held: [TaskFence]) async throws {
        try await pool.withConnection { connection in try Tasks.handBack(held, on: connection) }
    }

    /// The task's new fence; nil if it is owned no longer.
    ///
    /// - Parameter unsure: the fence that an earlier call would have given, had its commit been answered; told that of this one.
    func raiseFence(
        of owned: TaskFence, above floor: Int64, unsure: Mutex<Int64?> = Mutex(nil)
    ) async throws -> Int64? {
        try await pool.transaction { connection -> Int64? in
            let fence = try Tasks.raiseFence(of: owned, above: floor, for: holder.lease, on: connection)
            Failpoint.hit("worker.fence.before_commit")
            if let fence {
                unsure.withLock { $0 = fence }
                return fence
            }
            guard let earlier = unsure.withLock({ $0 }) else { return nil }
            let raised = TaskFence(taskID: owned.taskID, fence: earlier)
            return try Tasks.isOwned(raised, by: holder.id, on: connection) ? earlier : nil
        }
    }

    func silent() async throws -> [SilentTask] {
        try await pool.withConnection { connection in try Tasks.silent(besides: holder.id, on: connection) }
    }

    func takeOver(limit: Int, abandoned: [TaskFence]) async throws -> [ClaimedTask] {
        try await pool.transaction { connection in
            let tasks = try Tasks.takeOver(limit: limit, abandoned: abandoned, by: holder, on: connection)
            if !tasks.isEmpty { Failpoint.hit("worker.take_over.before_commit") }
            return tasks
        }
    }

    func storeProgress(_ progress: JSONObject, of owned: TaskFence) async throws {
        try await pool.withConnection { connection in
            try Tasks.storeProgress(progress, of: owned, on: connection)
        }
    }

    // MARK: Drop

    enum Mark: Sendable {
        case marked
        case refused(TaskError)
        case disowned
    }

    /// Marks a snapshot as dropped, unless something still needs it: of a racing drop and set_current exactly one wins, because
    /// whoever accepts the latter holds the snapshot's row `FOR SHARE`.
    func markDropped(_ snapshotID: String, for owned: TaskFence, in wsid: String) async throws -> Mark {
        try await pool.transaction { connection in
            try lockWorkspace(wsid, on: connection)
            guard let task = try Tasks.lock(owned, on: connection) else { return .disowned }
            func refused(_ code: ErrorCode, _ message: String) -> Mark {
                .refused(TaskError(code: code.rawValue, message: message, retryable: false, attempt: task.attempt))
            }
            guard let snapshot = try Snapshots.lock(snapshotID, of: wsid, .update, on: connection) else {
                return refused(.notFound, "there is no such snapshot in this workspace")
            }
            // Marked by an earlier attempt: it cannot be canceled any more.
            if snapshot.deletedAt != nil { return .marked }
            if task.cancelRequested { return refused(.conflictLocked, "canceled") }
            switch try Snapshots.use(of: snapshotID, in: wsid, on: connection) {
            case .current: return refused(.conflictSnapshotInUse, "the snapshot is current")
            case .task(let user): return refused(.conflictSnapshotInUse, "task \(user) needs the snapshot")
            case nil: break
            }
            try Snapshots.markDeleted(snapshotID, on: connection)
            Failpoint.hit("worker.drop.before_commit")
            return .marked
        }
    }

    func claimPurges(workspaces: Int) async throws -> [Purge] {
        try await pool.transaction { connection in
            try Snapshots.claimPurges(workspaces: workspaces, on: connection)
        }
    }

    /// The fence for another try at a deletion; nil while a task runs in the workspace.
    func raisePurgeFence(of wsid: String, above floor: Int64) async throws -> Int64? {
        try await pool.transaction { connection in
            try Snapshots.raiseFence(of: wsid, above: floor, on: connection)
        }
    }

    func markPurged(_ snapshotID: String) async throws {
        try await pool.withConnection { connection in try Snapshots.markPurged(snapshotID, on: connection) }
    }

    func backlog() async throws -> Backlog {
        try await pool.withConnection { connection in try Tasks.backlog(on: connection) }
    }

    // MARK: Parts

    func lockWorkspace(_ wsid: String, on connection: isolated PostgresConnection) throws {
        let start = MonotonicTime.now
        try Workspaces.lockExclusively(wsid, on: connection)
        metrics.lockWait.observe(.now - start)
    }

    func event(
        _ task: TaskRecord, before: JSONValue, after: JSONValue, error: TaskError? = nil
    ) -> AuditEvent {
        AuditEvent(
            task.operation.auditAction, by: .worker(id: holder.id), wsid: task.wsid, requestID: task.requestID,
            taskID: task.taskID, before: before, after: after, error: error?.json ?? .null)
    }

    func state(_ status: TaskStatus, attempt: Int, _ more: JSONObject = [:]) -> JSONValue {
        var state: JSONObject = ["status": .string(status.rawValue), "attempt": .integer(Int64(attempt))]
        for (name, value) in more { state[name] = value }
        return .object(state)
    }
}
