import ExecutorRPC
import JSON
import Model
import Postgres
import RuntimeCore
import Store

extension Ledger {
    /// How a task was left by an attempt.
    struct Finished: Sendable {
        let task: TaskRecord
        let conclusion: Conclusion
        /// The workspace went from PROVISIONING to this state.
        let workspaceState: WorkspaceState?
    }

    /// Writes what an attempt came to: task, workspace and snapshot, and the audit row. Nil if the task is owned no longer; then
    /// nothing is written.
    func finish(_ owned: TaskFence, _ verdict: Verdict, in wsid: String) async throws -> Finished? {
        try await pool.transaction { connection in
            try lockWorkspace(wsid, on: connection)
            guard let running = try Tasks.lock(owned, on: connection) else { return nil }
            let conclusion = Conclusion(verdict, of: running, backoff: backoff)
            let result = verdict.result(for: running, paths)
            guard
                let task = try Tasks.finish(
                    owned, as: conclusion.status, result: result, error: conclusion.error,
                    retryAfter: conclusion.retryAfter, on: connection)
            else { return nil }
            try publish(verdict, of: task, on: connection)
            let state = try moveWorkspace(conclusion, of: task, on: connection)
            try Audit.insert(ended(running, conclusion, result: result, workspaceState: state), on: connection)
            return Finished(task: task, conclusion: conclusion, workspaceState: state)
        }
    }

    /// The rows of what was published: never SUCCEEDED without them.
    private func publish(
        _ verdict: Verdict, of task: TaskRecord, on connection: isolated PostgresConnection
    ) throws {
        switch verdict {
        case .published(.initWorkspace(let path)):
            try Workspaces.setCurrent(
                task.wsid, path: paths.absolute(path, in: task.wsid), snapshotID: nil, on: connection)
        case .published(.snapshotCreate(let snapshot)):
            try Snapshots.insert(
                snapshot.snapshotID, wsid: task.wsid, fsPath: paths.absolute(snapshot.fsPath, in: task.wsid),
                message: task.params["message"]?.string, on: connection)
        case .published(.setCurrent(let current)):
            try Workspaces.setCurrent(
                task.wsid, path: paths.absolute(current.currentPath, in: task.wsid),
                snapshotID: current.currentSnapshotID, on: connection)
        case .dropped(purged: true):
            if let snapshotID = task.params["snapshot_id"]?.string {
                try Snapshots.markPurged(snapshotID, on: connection)
            }
        case .published(.snapshotDrop), .dropped(purged: false), .failed: break
        }
    }

    private func moveWorkspace(
        _ conclusion: Conclusion, of task: TaskRecord, on connection: isolated PostgresConnection
    ) throws -> WorkspaceState? {
        guard task.operation == .initWorkspace, let state = conclusion.workspaceState,
            try Workspaces.setState(task.wsid, from: .provisioning, to: state, on: connection)
        else { return nil }
        return state
    }

    private func ended(
        _ running: TaskRecord, _ conclusion: Conclusion, result: JSONValue?, workspaceState: WorkspaceState?
    ) -> AuditEvent {
        var after: JSONObject = result.map { ["result": $0] } ?? [:]
        if let workspaceState { after["workspace_state"] = .string(workspaceState.rawValue) }
        return event(
            running, before: state(.running, attempt: running.attempt),
            after: state(conclusion.status, attempt: running.attempt, after), error: conclusion.error)
    }
}
