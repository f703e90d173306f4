import JSON
import Model
import Postgres
import Runtime
import RuntimeCore
import Store

/// Turns submissions into tasks (design 5, Enqueue). Each is one transaction: the replay is looked for first, then the state is
/// checked under locks that keep it as it is until the commit.
///
/// Two equal submissions at one instant make one task: the second to insert waits for the first to commit, and then finds it.
struct Enqueue: Sendable {
    let pool: PostgresPool
    let notifier: Notifier
    let paths: WorkspacePaths
    let metrics: APIMetrics

    func workspace(_ submission: Submission, owner: String, uid: Int?, gid: Int?) async throws -> Accepted {
        let liveID = UUIDv7.make()
        let wsid = submission.wsid
        return try await run(submission, .initWorkspace, locking: .share) { [paths] _, connection in
            let workspace = try Workspaces.insert(
                wsid: wsid, owner: owner, rootPath: paths.root(of: wsid), currentPath: paths.live(liveID, of: wsid),
                uid: uid, gid: gid, on: connection)
            guard let workspace else { throw APIError(.conflictExists, "workspace \(wsid) exists already") }
            return try add(
                submission, .initWorkspace(liveID: liveID, uid: uid, gid: gid), action: .workspaceCreate,
                in: workspace, on: connection)
        }
    }

    /// Under the live tree's id that the workspace was made with: what an earlier attempt may have left is this task's own.
    func retryInit(_ submission: Submission) async throws -> Accepted {
        // Not shared: of two at once the second finds the workspace PROVISIONING.
        let accepted = try await run(
            submission, .initWorkspace, in: .initFailed, locking: .noKeyUpdate
        ) { workspace, connection in
            guard let liveID = paths.liveID(workspace.currentPath, of: workspace.wsid) else {
                throw APIError(.internal, "the workspace has no live tree to be made")
            }
            try Workspaces.setState(workspace.wsid, from: .initFailed, to: .provisioning, on: connection)
            var workspace = workspace
            workspace.state = .provisioning
            return try add(
                submission, .initWorkspace(liveID: liveID, uid: workspace.uid, gid: workspace.gid),
                action: .workspaceRetryInit, in: workspace, on: connection)
        }
        if !accepted.isReplay { metrics.count(.initFailed, to: .provisioning) }
        return accepted
    }

    func snapshot(_ submission: Submission, message: String?) async throws -> Accepted {
        let parameters = TaskParameters.snapshotCreate(snapshotID: UUIDv7.make(), message: message)
        if let accepted = try await addAtOnce(submission, parameters, action: .snapshotCreate) { return accepted }
        return try await run(submission, .snapshotCreate, in: .active) { workspace, connection in
            try add(submission, parameters, action: .snapshotCreate, in: workspace, on: connection)
        }
    }

    func drop(_ submission: Submission, snapshotID: String) async throws -> Accepted {
        try await run(submission, .snapshotDrop, in: .active) { workspace, connection in
            let wsid = workspace.wsid
            let snapshot = try Snapshots.lock(snapshotID, of: wsid, .update, on: connection)
            guard let snapshot, snapshot.deletedAt == nil else { throw APIError.noSnapshot(snapshotID, in: wsid) }
            switch try Snapshots.use(of: snapshotID, in: wsid, on: connection) {
            case nil: break
            case .current:
                throw APIError(.conflictSnapshotInUse, "snapshot \(snapshotID) is the current one of \(wsid)")
            case .task(let taskID):
                throw APIError(
                    .conflictSnapshotInUse, "task \(taskID) is about to make snapshot \(snapshotID) current",
                    taskID: taskID)
            }
            return try add(
                submission, .snapshotDrop(snapshotID: snapshotID), action: .snapshotDrop, in: workspace, on: connection)
        }
    }

    func setCurrent(_ submission: Submission, snapshotID: String, discard: Bool) async throws -> Accepted {
        let liveID = UUIDv7.make()
        return try await run(submission, .setCurrent, in: .active) { workspace, connection in
            let wsid = workspace.wsid
            let snapshot = try Snapshots.lock(snapshotID, of: wsid, .share, on: connection)
            guard let snapshot, snapshot.deletedAt == nil else { throw APIError.noSnapshot(snapshotID, in: wsid) }
            // It would run after the drop, and could only fail, or make the drop fail.
            if let taskID = try Snapshots.pendingDrop(of: snapshotID, in: wsid, on: connection) {
                throw APIError(
                    .conflictSnapshotInUse, "task \(taskID) is about to drop snapshot \(snapshotID)", taskID: taskID)
            }
            return try add(
                submission, .setCurrent(snapshotID: snapshotID, liveID: liveID, discard: discard), action: .setCurrent,
                in: workspace, on: connection)
        }
    }

    // MARK: Common to all

    /// - Parameter lock: shared, disabling the workspace waits for us and other submissions do not.
    private func run(
        _ submission: Submission, _ operation: TaskOperation, in state: WorkspaceState, locking lock: RowLock = .share,
        _ body: @escaping @Sendable (Workspace, isolated PostgresConnection) throws -> Accepted
    ) async throws -> Accepted {
        try await run(submission, operation, locking: lock) { workspace, connection in
            guard let workspace else { throw APIError.noWorkspace(submission.wsid) }
            switch workspace.state {
            case state: return try body(workspace, connection)
            case .disabled: throw APIError(.gone, "workspace \(workspace.wsid) is disabled")
            case .provisioning, .active, .initFailed:
                throw APIError(
                    .preconditionFailed,
                    "workspace \(workspace.wsid) is \(workspace.state.rawValue), not \(state.rawValue)")
            }
        }
    }

    private func run(
        _ submission: Submission, _ operation: TaskOperation, locking lock: RowLock,
        _ body: @escaping @Sendable (Workspace?, isolated PostgresConnection) throws -> Accepted
    ) async throws -> Accepted {
        let accepted = try await pool.transaction { connection in
            let accepted = try accept(submission, operation, locking: lock, body, on: connection)
            Failpoint.hit("api.before_commit")
            return accepted
        }
        committed(isNew: !accepted.isReplay)
        return accepted
    }

    private func committed(isNew: Bool) {
        Failpoint.hit("api.after_commit")
        // After the commit: within the transaction NOTIFY would make commits wait for each other.
        if isNew { notifier.notify(.tasks) }
        Failpoint.hit("api.before_answer")
    }

    /// The common case in one round trip, shared with others: a new request for an ACTIVE workspace that nobody is changing. Nil for any
    /// other, which changes nothing.
    private func addAtOnce(
        _ submission: Submission, _ parameters: TaskParameters, action: AuditAction
    ) async throws -> Accepted? {
        let (new, event) = record(submission, parameters, action)
        Failpoint.hit("api.before_commit")
        guard let task = try await Tasks.insert(new, event: event, whereWorkspaceIs: .active, on: pool) else {
            return nil
        }
        committed(isNew: true)
        return Accepted(task: task, workspaceState: .active, isReplay: false)
    }

    private func accept(
        _ submission: Submission, _ operation: TaskOperation, locking lock: RowLock,
        _ body: (Workspace?, isolated PostgresConnection) throws -> Accepted,
        on connection: isolated PostgresConnection
    ) throws -> Accepted {
        let found = try Tasks.find(
            wsid: submission.wsid, operation: operation, idempotencyKey: submission.idempotencyKey, locking: lock,
            on: connection)
        if let task = found.task, let workspace = found.workspace { return try replay(task, in: workspace, submission) }
        do {
            return try body(found.workspace, connection)
        } catch let refusal as APIError {
            // Perhaps an equal request, accepted since we looked, brought about what this one is refused for.
            if let replay = try replay(submission, operation, on: connection) { return replay }
            throw refusal
        }
    }

    private func replay(
        _ submission: Submission, _ operation: TaskOperation, on connection: isolated PostgresConnection
    ) throws -> Accepted? {
        guard
            let task = try Tasks.find(
                wsid: submission.wsid, operation: operation, idempotencyKey: submission.idempotencyKey, on: connection),
            let workspace = try Workspaces.get(submission.wsid, on: connection)
        else { return nil }
        return try replay(task, in: workspace, submission)
    }

    private func replay(
        _ task: TaskRecord, in workspace: Workspace, _ submission: Submission
    ) throws(APIError) -> Accepted {
        guard task.requestHash == submission.requestHash else {
            throw APIError(
                .conflictIdempotentMismatch,
                "this Idempotency-Key belongs to another request, that of task \(task.taskID)",
                taskID: task.taskID)
        }
        return Accepted(task: task, workspaceState: workspace.state, isReplay: true)
    }

    private func add(
        _ submission: Submission, _ parameters: TaskParameters, action: AuditAction, in workspace: Workspace,
        on connection: isolated PostgresConnection
    ) throws -> Accepted {
        let (new, event) = record(submission, parameters, action)
        guard let task = try Tasks.insert(new, event: event, on: connection) else {
            // An equal request was faster.
            if let replay = try replay(submission, parameters.operation, on: connection) { return replay }
            throw APIError(.internal, "the task was neither added nor found")
        }
        return Accepted(task: task, workspaceState: workspace.state, isReplay: false)
    }

    private func record(
        _ submission: Submission, _ parameters: TaskParameters, _ action: AuditAction
    ) -> (NewTask, AuditEvent) {
        let new = NewTask(
            taskID: UUIDv7.make(), wsid: submission.wsid, parameters: parameters,
            idempotencyKey: submission.idempotencyKey, requestHash: submission.requestHash,
            requestID: submission.origin.requestID, trace: submission.trace)
        let event = AuditEvent(
            action, by: submission.origin.actor, wsid: submission.wsid, requestID: submission.origin.requestID,
            taskID: new.taskID,
            after: ["status": .string(TaskStatus.pending.rawValue), "params": .object(new.params)])
        return (new, event)
    }
}
