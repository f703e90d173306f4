import ExecutorRPC
import Model
import RuntimeCore

@testable import Worker

/// What holds after every step, whatever befalls the programs (issue: task engine).
struct Invariants {
    /// The highest fence under which anything took effect, by workspace.
    private var effective: [Int: Int64] = [:]
    /// The same for the file system alone.
    private var published: [Int: Int64] = [:]

    /// Looks at what a transaction has changed; answers what is wrong.
    mutating func afterCommit(_ transaction: SimulatedTransaction, _ simulation: Simulation) -> String? {
        let rows = simulation.database.rows
        for index in transaction.tasks.keys.sorted() {
            if let problem = claim(index, of: transaction, rows) { return problem }
            if let problem = task(index, of: transaction, rows, simulation) { return problem }
        }
        var workspaces = Set(transaction.workspaces.keys).union(transaction.tasks.keys.map { rows.tasks[$0].workspace })
        for index in transaction.insertedTasks {
            workspaces.insert(rows.tasks[index].workspace)
            if let problem = inserted(index, rows) { return problem }
        }
        for workspace in workspaces.sorted() {
            if let problem = self.workspace(workspace, rows, simulation) { return problem }
        }
        for (id, row) in transaction.snapshots where !row.deleted {
            if !simulation.trees[row.workspace].snapshots.contains(id) {
                return "snapshot \(id) has a row and no directory"
            }
        }
        return nil
    }

    /// Never before an earlier one has ended, unless that was accepted by a slower transaction and not to be seen yet.
    private func claim(_ index: Int, of transaction: SimulatedTransaction, _ rows: SimulatedRows) -> String? {
        guard let seen = transaction.claims[index] else { return nil }
        let record = rows.tasks[index].record
        for other in rows.tasksOf[rows.tasks[index].workspace] where other != index {
            let earlier = rows.tasks[other]
            let isEarlier = (earlier.record.createdAt, earlier.record.taskID) < (record.createdAt, record.taskID)
            if isEarlier, earlier.isUnfinished, earlier.committed <= seen {
                return "\(record.taskID) runs before \(earlier.record.taskID)"
            }
        }
        return nil
    }

    private mutating func task(
        _ index: Int, of transaction: SimulatedTransaction, _ rows: SimulatedRows, _ simulation: Simulation
    ) -> String? {
        let row = rows.tasks[index]
        let record = row.record
        if rows.ends[index] != (record.status.isEnded ? 1 : 0) {
            return "\(record.taskID) is \(record.status) with \(rows.ends[index]) end records"
        }
        if let fence = transaction.endings[index], fence != record.fence {
            return "\(record.taskID) ended under fence \(fence), it has \(record.fence ?? 0)"
        }
        if let fence = record.fence, record.status != .pending, row.owner == nil, !record.cancelRequested {
            if fence < effective[row.workspace] ?? 0 { return "\(record.taskID) ended under the lower fence \(fence)" }
            effective[row.workspace] = fence
        }
        let tree = simulation.trees[row.workspace]
        // A database behind the executors' fences goes on working.
        if record.error?.message == TaskFailure.fenced(0).message { return "\(record.taskID) gave up at a fence" }
        if record.status.isEnded, record.status != .succeeded, tree.results[record.taskID] != nil {
            return "\(record.taskID) was published and is \(record.status)"
        }
        guard record.status == .succeeded else { return nil }
        let snapshot = record.params["snapshot_id"]?.string ?? ""
        switch record.operation {
        case .snapshotCreate where rows.snapshots[snapshot] == nil:
            return "\(record.taskID) succeeded without its snapshot row"
        case .snapshotDrop where rows.snapshots[snapshot]?.deleted != true:
            return "\(record.taskID) succeeded, and the snapshot is there"
        case .initWorkspace where tree.current == nil: return "\(record.taskID) succeeded without a tree"
        default: return nil
        }
    }

    private func inserted(_ index: Int, _ rows: SimulatedRows) -> String? {
        let record = rows.tasks[index].record
        let equal = rows.tasksOf[rows.tasks[index].workspace].filter {
            rows.tasks[$0].record.idempotencyKey == record.idempotencyKey
                && rows.tasks[$0].record.operation == record.operation
        }
        return equal.count > 1 ? "the key \(record.idempotencyKey) made \(equal.count) tasks" : nil
    }

    private func workspace(_ index: Int, _ rows: SimulatedRows, _ simulation: Simulation) -> String? {
        let workspace = rows.workspaces[index]
        let running = rows.tasksOf[index].filter { rows.tasks[$0].record.status == .running }
        if running.count > 1 { return "\(running.count) tasks of workspace \(index) run" }
        if workspace.state == .disabled, rows.tasksOf[index].contains(where: { rows.tasks[$0].isUnfinished }) {
            return "a live task in the disabled workspace \(index)"
        }
        if let snapshot = workspace.currentSnapshot, rows.snapshots[snapshot]?.deleted != false {
            return "the current snapshot \(snapshot) is dropped"
        }
        if running.isEmpty, workspace.state == .active || workspace.state == .disabled {
            guard let current = simulation.trees[index].current else { return "workspace \(index) has no current" }
            if !simulation.trees[index].lives.contains(current.live) { return "current of \(index) is dangling" }
            if current.live != workspace.current || current.snapshot != workspace.currentSnapshot {
                return "current of \(index) is \(current), the database says \(workspace.current)"
            }
        }
        return nil
    }

    mutating func afterPublication(
        _ request: ExecuteTaskRequest, in workspace: Int, _ simulation: Simulation
    ) -> String? {
        let fence = Int64(clamping: request.fence)
        // A drop ends without its executor where that is out of reach: it has not heard of that fence.
        var highest = effective[workspace] ?? 0
        if case .snapshotDrop = request.operation { highest = published[workspace] ?? 0 }
        if fence < highest { return "\(request.taskID) published under the lower fence \(fence)" }
        effective[workspace] = max(fence, effective[workspace] ?? 0)
        published[workspace] = fence
        if case .snapshotDrop(let snapshot) = request.operation {
            // Also outside any task, later; but never before the row says so.
            return simulation.database.rows.snapshots[snapshot]?.deleted == true
                ? nil : "the directory of \(snapshot) is gone, its row is not marked"
        }
        let rows = simulation.database.rows
        guard let index = rows.tasksOf[workspace].first(where: { rows.tasks[$0].record.taskID == request.taskID })
        else {
            return "\(request.taskID) was published and does not exist"
        }
        let status = rows.tasks[index].record.status
        return status == .running ? nil : "\(request.taskID) was published while it was \(status)"
    }

    func atTheEnd(_ simulation: Simulation) -> String? {
        for workspace in simulation.database.rows.workspaces.indices {
            if let problem = self.workspace(workspace, simulation.database.rows, simulation) { return problem }
        }
        return nil
    }
}
