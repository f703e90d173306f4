import JSON
import Model
import Postgres
import Store

/// The two writes that are done when they are answered: a task is canceled, a workspace disabled.
struct Closing: Sendable {
    let pool: PostgresPool
    let notifier: Notifier
    let metrics: APIMetrics

    // MARK: Cancel

    /// The task as it is then.
    func cancel(_ taskID: String, origin: Origin) async throws -> TaskRecord {
        let (before, task) = try await pool.transaction { connection in
            guard let task = try Tasks.lock(taskID, .update, on: connection),
                let workspace = try Workspaces.get(task.wsid, on: connection)
            else { throw APIError.noTask(taskID) }
            let canceled: TaskRecord? =
                switch CancelDecision(task.status, in: workspace.state) {
                case .end: try end(task, origin, on: connection)
                case .request: try request(task, origin, on: connection)
                case .unchanged: task
                case .refuse: nil
                }
            guard let canceled else {
                throw APIError(
                    .conflictLocked, "task \(taskID) has ended, it is \(task.status.rawValue)", taskID: taskID)
            }
            return (task, canceled)
        }
        switch (before.status, task.status) {
        case (_, .running): notifier.notify(.cancel, taskID)
        case (.pending, .canceled), (.failed, .canceled):
            notifier.notify(.done, taskID)
            // What was accepted after it in this workspace may run now.
            notifier.notify(.tasks)
            metrics.tasks.add(1, task.operation.rawValue, task.status.rawValue)
            if task.operation == .initWorkspace { metrics.count(.provisioning, to: .initFailed) }
        default: break
        }
        return task
    }

    /// Nobody works on it: it ends here.
    private func end(
        _ task: TaskRecord, _ origin: Origin, on connection: isolated PostgresConnection
    ) throws -> TaskRecord? {
        guard let canceled = try Tasks.cancelWaiting(task.taskID, on: connection) else { return nil }
        var after = canceled.auditState
        if task.operation == .initWorkspace,
            try Workspaces.setState(task.wsid, from: .provisioning, to: .initFailed, on: connection)
        {
            after["workspace_state"] = .string(WorkspaceState.initFailed.rawValue)
        }
        // The request, and the end of the task, as when a worker ends it.
        try record(.taskCancel, task, origin, after: ["cancel_requested": true], on: connection)
        try record(task.operation.auditAction, task, origin, after: after, on: connection)
        return canceled
    }

    /// The worker that holds it ends it; here only the wish is written down, once.
    private func request(
        _ task: TaskRecord, _ origin: Origin, on connection: isolated PostgresConnection
    ) throws -> TaskRecord? {
        if task.cancelRequested { return task }
        try record(.taskCancel, task, origin, after: ["cancel_requested": true], on: connection)
        return try Tasks.requestCancel(task.taskID, on: connection)
    }

    private func record(
        _ action: AuditAction, _ task: TaskRecord, _ origin: Origin, after: JSONObject,
        on connection: isolated PostgresConnection
    ) throws {
        let event = AuditEvent(
            action, by: origin.actor, wsid: task.wsid, requestID: origin.requestID, taskID: task.taskID,
            before: .object(task.auditState), after: .object(after))
        try Audit.insert(event, on: connection)
    }

    // MARK: Disable

    /// The workspace, which from then on accepts nothing.
    func disable(_ wsid: String, origin: Origin) async throws -> Workspace {
        let (before, workspace) = try await pool.transaction { connection in
            // Not shared: whoever is accepting a task is waited for, and the next statement sees that task.
            guard let workspace = try Workspaces.lock(wsid, .update, on: connection) else {
                throw APIError.noWorkspace(wsid)
            }
            if workspace.state == .disabled { return (workspace.state, workspace) }
            if let taskID = try Tasks.firstUnfinished(in: wsid, on: connection) {
                throw APIError(
                    .conflictLocked, "task \(taskID) of workspace \(wsid) has not ended", taskID: taskID)
            }
            try Workspaces.setState(wsid, from: workspace.state, to: .disabled, on: connection)
            let event = AuditEvent(
                .workspaceDisable, by: origin.actor, wsid: wsid, requestID: origin.requestID, taskID: nil,
                before: ["state": .string(workspace.state.rawValue)],
                after: ["state": .string(WorkspaceState.disabled.rawValue)])
            try Audit.insert(event, on: connection)
            return (workspace.state, try Workspaces.get(wsid, on: connection) ?? workspace)
        }
        if before != .disabled { metrics.count(before, to: .disabled) }
        return workspace
    }
}

extension TaskRecord {
    fileprivate var auditState: JSONObject {
        ["status": .string(status.rawValue), "attempt": .integer(Int64(attempt))]
    }
}
