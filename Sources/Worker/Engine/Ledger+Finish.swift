import ExecutorRPC
import JSON
import Model
import Postgres
import RuntimeCore
import Store

extension Ledger {
    /// What an attempt of a task came to, before it is written.
    struct Completion: Sendable {
        let owned: TaskFence
        let wsid: String
        let verdict: Verdict
    }

    /// How a task was left by an attempt.
    struct Finished: Sendable {
        let task: TaskRecord
        let conclusion: Conclusion
        /// The workspace went from PROVISIONING to this state.
        let workspaceState: WorkspaceState?
    }

    /// A completion of a task that is still owned.
    private struct End {
        let running: TaskRecord
        let owned: TaskFence
        let verdict: Verdict
        let conclusion: Conclusion
        let result: JSONValue?
    }

    func finish(_ owned: TaskFence, _ verdict: Verdict, in wsid: String) async throws -> Finished? {
        try await finish([Completion(owned: owned, wsid: wsid, verdict: verdict)])[0]
    }

    /// Writes what attempts came to: tasks, workspaces, snapshots and audit rows, in one transaction. Answers in the order of
    /// `completions`; nil for a task that is owned no longer, of which nothing is written.
    func finish(_ completions: [Completion]) async throws -> [Finished?] {
        try await pool.transaction { connection in
            let ends = try lock(completions, on: connection)
            guard !ends.isEmpty else { return completions.map { _ in nil } }
            let (tasks, moved) = try write(ends, on: connection)
            var finished: [TaskFence: Finished] = [:]
            for end in ends {
                guard let task = tasks[end.owned.taskID] else { continue }
                let state = moved.contains(task.wsid) ? end.conclusion.workspaceState : nil
                finished[end.owned] = Finished(task: task, conclusion: end.conclusion, workspaceState: state)
            }
            try Audit.insert(
                ends.compactMap { end in finished[end.owned].map { ended(end, workspaceState: $0.workspaceState) } },
                on: connection)
            Failpoint.hit("worker.finish.before_commit")
            return completions.map { finished[$0.owned] }
        }
    }

    private func lock(_ completions: [Completion], on connection: isolated PostgresConnection) throws -> [End] {
        let start = MonotonicTime.now
        let running = try Tasks.lock(
            completions.map(\.owned), in: Set(completions.map(\.wsid)), on: connection)
        metrics.lockWait.observe(.now - start)
        let tasks = Dictionary(running.map { ($0.taskID, $0) }, uniquingKeysWith: { $1 })
        return completions.compactMap { completion in
            guard let task = tasks[completion.owned.taskID], task.fence == completion.owned.fence else { return nil }
            return End(
                running: task, owned: completion.owned, verdict: completion.verdict,
                conclusion: Conclusion(completion.verdict, of: task, backoff: backoff),
                result: completion.verdict.result(for: task, paths))
        }
    }

    /// Answers the tasks as they are afterwards, and the workspaces whose provisioning has ended.
    private func write(
        _ ends: [End], on connection: isolated PostgresConnection
    ) throws -> (tasks: [String: TaskRecord], moved: Set<String>) {
        let finish = Tasks.finish(
            ends.map {
                AttemptEnd(
                    owned: $0.owned, status: $0.conclusion.status, result: $0.result, error: $0.conclusion.error,
                    retryAfter: $0.conclusion.retryAfter)
            })
        let states = ends.compactMap { end -> (wsid: String, state: WorkspaceState)? in
            guard end.running.operation == .initWorkspace, let state = end.conclusion.workspaceState else { return nil }
            return (end.running.wsid, state)
        }
        let moves = states.isEmpty ? [] : [Workspaces.provisioned(states)]
        let rows = try connection.pipeline([finish] + moves + publication(of: ends))
        let tasks = try rows[0].map(Tasks.decode)
        let moved = try moves.isEmpty ? [] : rows[1].map { try $0.value("wsid", as: String.self) }
        return (Dictionary(tasks.map { ($0.taskID, $0) }, uniquingKeysWith: { $1 }), Set(moved))
    }

    /// The rows of what was published: never SUCCEEDED without them.
    private func publication(of ends: [End]) -> [Query] {
        var snapshots: [NewSnapshot] = []
        var currents: [NewCurrent] = []
        var purged: [String] = []
        for end in ends {
            let wsid = end.running.wsid
            switch end.verdict {
            case .published(.initWorkspace(let path)):
                currents.append(NewCurrent(wsid: wsid, path: paths.absolute(path, in: wsid), snapshotID: nil))
            case .published(.snapshotCreate(let snapshot)):
                snapshots.append(
                    NewSnapshot(
                        snapshotID: snapshot.snapshotID, wsid: wsid, fsPath: paths.absolute(snapshot.fsPath, in: wsid),
                        message: end.running.params["message"]?.string))
            case .published(.setCurrent(let current)):
                currents.append(
                    NewCurrent(
                        wsid: wsid, path: paths.absolute(current.currentPath, in: wsid),
                        snapshotID: current.currentSnapshotID))
            case .dropped(purged: true):
                if let snapshotID = end.running.params["snapshot_id"]?.string { purged.append(snapshotID) }
            case .published(.snapshotDrop), .dropped(purged: false), .failed: break
            }
        }
        var queries: [Query] = []
        if !snapshots.isEmpty { queries.append(Snapshots.insertion(of: snapshots)) }
        if !currents.isEmpty { queries.append(Workspaces.currentChange(currents)) }
        if !purged.isEmpty { queries.append(Snapshots.purge(of: purged)) }
        return queries
    }

    private func ended(_ end: End, workspaceState: WorkspaceState?) -> AuditEvent {
        var after: JSONObject = end.result.map { ["result": $0] } ?? [:]
        if let workspaceState { after["workspace_state"] = .string(workspaceState.rawValue) }
        let attempt = end.running.attempt
        return event(
            end.running, before: state(.running, attempt: attempt),
            after: state(end.conclusion.status, attempt: attempt, after), error: end.conclusion.error)
    }
}
