import ExecutorRPC
import JSON
import Model
import RuntimeCore

@testable import Store
@testable import Worker

typealias Statement = (SimulatedTransaction) throws -> Void

/// What a transaction found out, for whoever began it.
final class Box<Value> {
    var value: Value
    init(_ value: Value) { self.value = value }
}

/// The statements of `Store` and `Ledger`, one for one, on the simulated database.
struct SimulatedStatements {
    let flaw: Flaw?
    let lease: Int64
    let backoff: Backoff
    /// Whether a long statement takes its time between its snapshot and its locks.
    let pauses: () -> Bool

    static func id(_ task: Int) -> String { "task-\(String(task + 10_000))" }

    // MARK: Claim

    private func isNextInLine(_ index: Int, _ transaction: SimulatedTransaction) -> Bool {
        let workspace = transaction.task(index).workspace
        if transaction.tasks(of: workspace).contains(where: { transaction.task($0).record.status == .running }) {
            return false
        }
        return flaw == .claimOutOfOrder || transaction.unfinished(in: workspace).first == index
    }

    private func isDue(_ row: SimulatedRows.Task, at now: Int64) -> Bool {
        (row.record.status == .pending || row.record.status == .failed) && row.record.nextRunAt.microseconds <= now
            && row.record.attempt < row.record.maxAttempts
    }

    func claim(limit: Int, by worker: String, into claimed: Box<[ClaimedTask]>) -> [Statement] {
        let candidates = Box<[Int]>([])
        return [
            { transaction in
                candidates.value = []
                if pauses() { try transaction.pause() }
                let now = transaction.began
                let due = (0..<transaction.taskCount).filter { isDue(transaction.task($0), at: now) }
                    .sorted { transaction.order($0) < transaction.order($1) }
                for index in due where candidates.value.count < limit && isNextInLine(index, transaction) {
                    let workspace = transaction.task(index).workspace
                    guard transaction.tryLock(.task(index)), isDue(transaction.task(index), at: now),
                        transaction.tryLock(.workspace(workspace), .noKeyUpdate)
                    else { continue }
                    candidates.value.append(index)
                }
            },
            { transaction in
                claimed.value = []
                for index in candidates.value where isNextInLine(index, transaction) {
                    let before = transaction.task(index)
                    var fence: Int64 = 0
                    try transaction.update(workspace: before.workspace) {
                        $0.fence += 1
                        fence = $0.fence
                    }
                    try transaction.update(task: index) { row in
                        row.record.status = .running
                        row.record.attempt += 1
                        row.record.startedAt = Timestamp(microseconds: transaction.began)
                        row.record.fence = fence
                        row.owner = worker
                        row.leaseEnd = transaction.began + lease
                    }
                    claimed.value.append(
                        ClaimedTask(
                            task: transaction.task(index).record, fence: fence, previousStatus: before.record.status))
                    transaction.insertAudit(
                        before.record.operation.auditAction, workspace: before.workspace, task: index, status: .running)
                }
            },
        ]
    }

    // MARK: Leases

    private func owns(_ owned: TaskFence, _ row: SimulatedRows.Task) -> Bool {
        row.record.status == .running
            && (row.record.fence == owned.fence || flaw == .finishUnderAnyFence && row.record.taskID == owned.taskID)
    }

    func renew(_ held: [TaskFence], into renewed: Box<[RenewedTask]>) -> [Statement] {
        [
            { transaction in
                renewed.value = []
                for owned in held.sorted(by: { $0.taskID < $1.taskID }) {
                    let index = Self.index(owned)
                    guard owns(owned, transaction.task(index)) else { continue }
                    try transaction.lock(.task(index))
                    guard owns(owned, transaction.task(index)) else { continue }
                    try transaction.update(task: index) { $0.leaseEnd = transaction.began + lease }
                    renewed.value.append(
                        RenewedTask(
                            ownership: owned, cancelRequested: transaction.task(index).record.cancelRequested))
                }
            }
        ]
    }

    func handBack(_ held: [TaskFence]) -> [Statement] {
        [
            { transaction in
                for owned in held.sorted(by: { $0.taskID < $1.taskID }) {
                    let index = Self.index(owned)
                    guard owns(owned, transaction.task(index)) else { continue }
                    try transaction.lock(.task(index))
                    guard owns(owned, transaction.task(index)) else { continue }
                    try transaction.update(task: index) { $0.leaseEnd = transaction.began }
                }
            }
        ]
    }

    func raiseFence(
        of owned: TaskFence, above floor: Int64, by worker: String, into fence: Box<Int64?>
    ) -> [Statement] {
        let unsure = Box<Int64?>(nil)
        return [
            { transaction in
                fence.value = nil
                let index = Self.index(owned)
                try transaction.lock(.task(index))
                let row = transaction.task(index)
                guard row.record.status == .running, row.record.fence == owned.fence else {
                    if row.record.status == .running, row.record.fence == unsure.value, row.owner == worker {
                        fence.value = unsure.value
                    }
                    return
                }
                var raised: Int64 = 0
                try transaction.update(workspace: row.workspace) {
                    $0.fence = max($0.fence, floor) + 1
                    raised = $0.fence
                }
                try transaction.update(task: index) {
                    $0.record.fence = raised
                    $0.leaseEnd = transaction.began + lease
                }
                fence.value = raised
                unsure.value = raised
            }
        ]
    }

    func takeOver(
        limit: Int, abandoned: [TaskFence], by worker: String, into taken: Box<[ClaimedTask]>
    ) -> [Statement] {
        [
            { transaction in
                taken.value = []
                func isLost(_ row: SimulatedRows.Task) -> Bool {
                    guard row.record.status == .running else { return false }
                    if row.leaseEnd.map({ $0 <= transaction.began }) ?? true { return true }
                    return abandoned.contains(TaskFence(taskID: row.record.taskID, fence: row.record.fence ?? 0))
                }
                var lost: [Int] = []
                for index in 0..<transaction.taskCount where lost.count < limit && isLost(transaction.task(index)) {
                    if transaction.tryLock(.task(index)), isLost(transaction.task(index)) { lost.append(index) }
                }
                for index in lost {
                    var fence = transaction.task(index).record.fence ?? 0
                    if flaw != .takeOverWithoutFence {
                        try transaction.update(workspace: transaction.task(index).workspace) {
                            $0.fence += 1
                            fence = $0.fence
                        }
                    }
                    try transaction.update(task: index) {
                        $0.record.fence = fence
                        $0.owner = worker
                        $0.leaseEnd = transaction.began + lease
                    }
                    taken.value.append(
                        ClaimedTask(task: transaction.task(index).record, fence: fence, previousStatus: .running))
                }
            }
        ]
    }

    func silent(besides worker: String, signs: Set<String>, into silent: Box<[SilentTask]>) -> [Statement] {
        [
            { transaction in
                silent.value = (0..<transaction.taskCount).compactMap { index in
                    let row = transaction.task(index)
                    guard row.record.status == .running, let owner = row.owner, owner != worker,
                        !signs.contains(owner), let end = row.leaseEnd
                    else { return nil }
                    return SilentTask(
                        ownership: TaskFence(taskID: row.record.taskID, fence: row.record.fence ?? 0),
                        leaseExpiresAt: Timestamp(microseconds: end))
                }
            }
        ]
    }

    // MARK: Finish

    func finish(_ completions: [Ledger.Completion], into finished: Box<[TaskStatus?]>) -> [Statement] {
        let indices = completions.map { Self.index($0.owned) }
        let running = Box<Set<Int>>([])
        return [
            { transaction in
                for workspace in Set(indices.map { transaction.task($0).workspace }).sorted() {
                    try transaction.lock(.advisory(workspace))
                }
            },
            { transaction in
                running.value = []
                let ordered = zip(indices, completions).sorted { $0.0 < $1.0 }
                for (index, completion) in ordered where owns(completion.owned, transaction.task(index)) {
                    try transaction.lock(.task(index))
                    if owns(completion.owned, transaction.task(index)) { running.value.insert(index) }
                }
            },
            { transaction in
                for (index, completion) in zip(indices, completions)
                where running.value.contains(index) || flaw == .endsTwice {
                    try write(completion, index, transaction)
                }
                finished.value = indices.map { index in
                    running.value.contains(index) ? transaction.task(index).record.status : nil
                }
            },
        ]
    }

    private func write(_ completion: Ledger.Completion, _ index: Int, _ transaction: SimulatedTransaction) throws {
        let row = transaction.task(index)
        var conclusion = Conclusion(completion.verdict, of: row.record, backoff: backoff)
        if flaw == .cancelBeatsPublication, row.record.cancelRequested { conclusion = .canceled }
        transaction.endings[index] = completion.owned.fence
        try transaction.update(task: index) { row in
            row.record.status = conclusion.status
            row.record.error = conclusion.error
            row.record.endedAt =
                conclusion.status == .failed ? nil : Timestamp(microseconds: transaction.began)
            if let delay = conclusion.retryAfter {
                row.record.nextRunAt = Timestamp(
                    microseconds: transaction.began + delay.components.seconds * 1_000_000
                        + delay.components.attoseconds / 1_000_000_000_000)
            }
            row.owner = nil
            row.leaseEnd = nil
        }
        let workspace = row.workspace
        if row.record.operation == .initWorkspace, let state = conclusion.workspaceState,
            transaction.workspace(workspace).state == .provisioning
        {
            try transaction.update(workspace: workspace) { $0.state = state }
        }
        switch completion.verdict {
        case .published(.initWorkspace(let path)):
            try transaction.update(workspace: workspace) { ($0.current, $0.currentSnapshot) = (path, nil) }
        case .published(.snapshotCreate(let snapshot)):
            try transaction.insert(snapshot: snapshot.snapshotID, in: workspace)
        case .published(.setCurrent(let current)):
            try transaction.update(workspace: workspace) {
                ($0.current, $0.currentSnapshot) = (current.currentPath, current.currentSnapshotID)
            }
        case .dropped(purged: true):
            if let id = row.record.params["snapshot_id"]?.string {
                try transaction.update(snapshot: id) { $0.purged = $0.deleted }
            }
        case .published(.snapshotDrop), .dropped(purged: false), .failed: break
        }
        transaction.insertAudit(
            row.record.operation.auditAction, workspace: workspace, task: index, status: conclusion.status)
    }

    // MARK: Drop

    func mark(_ snapshot: String, for owned: TaskFence, into mark: Box<Ledger.Mark>) -> [Statement] {
        let index = Self.index(owned)
        func refuse(_ message: String) {
            mark.value = .refused(
                TaskError(code: "WVS_CONFLICT_SNAPSHOT_IN_USE", message: message, retryable: false, attempt: 1))
        }
        let isDecided = Box(false)
        return [
            { transaction in try transaction.lock(.advisory(transaction.task(index).workspace)) },
            { transaction in
                try transaction.lock(.task(index))
                guard owns(owned, transaction.task(index)) else {
                    mark.value = .disowned
                    isDecided.value = true
                    return
                }
            },
            { transaction in
                guard !isDecided.value else { return }
                try transaction.lock(.snapshot(snapshot))
                guard let row = transaction.snapshot(snapshot) else {
                    isDecided.value = true
                    return refuse("no such snapshot")
                }
                if row.deleted {
                    isDecided.value = true
                    mark.value = .marked
                } else if transaction.task(index).record.cancelRequested {
                    isDecided.value = true
                    refuse("canceled")
                }
            },
            { transaction in
                guard !isDecided.value else { return }
                if isUsed(snapshot, in: transaction.task(index).workspace, transaction), flaw != .dropRegardless {
                    return refuse("in use")
                }
                try transaction.update(snapshot: snapshot) { $0.deleted = true }
                mark.value = .marked
            },
        ]
    }

    func isUsed(_ snapshot: String, in workspace: Int, _ transaction: SimulatedTransaction) -> Bool {
        if transaction.workspace(workspace).currentSnapshot == snapshot { return true }
        return transaction.unfinished(in: workspace).contains { index in
            let record = transaction.task(index).record
            return record.operation == .setCurrent && record.params["snapshot_id"]?.string == snapshot
        }
    }

    // MARK: Purge

    func claimPurges(into purges: Box<[(snapshot: String, workspace: Int, fence: Int64)]>) -> [Statement] {
        let locked = Box<[Int]>([])
        func unpurged(_ transaction: SimulatedTransaction) -> [String] {
            transaction.allSnapshots.filter { id in
                transaction.snapshot(id).map { $0.deleted && !$0.purged } ?? false
            }
        }
        return [
            { transaction in
                let workspaces = Set(unpurged(transaction).compactMap { transaction.snapshot($0)?.workspace })
                locked.value = workspaces.sorted().filter { transaction.tryLock(.workspace($0), .noKeyUpdate) }
            },
            { transaction in
                purges.value = []
                for workspace in locked.value
                where !transaction.tasks(of: workspace).contains(where: {
                    transaction.task($0).record.status == .running
                }) {
                    try transaction.update(workspace: workspace) { $0.fence += 1 }
                    for id in unpurged(transaction) where transaction.snapshot(id)?.workspace == workspace {
                        purges.value.append((id, workspace, transaction.workspace(workspace).fence))
                    }
                }
            },
        ]
    }

    func raisePurgeFence(of workspace: Int, above floor: Int64, into fence: Box<Int64?>) -> [Statement] {
        [
            { transaction in
                fence.value = nil
                try transaction.lock(.workspace(workspace), .noKeyUpdate)
            },
            { transaction in
                let tasks = transaction.tasks(of: workspace).map { transaction.task($0) }
                guard !tasks.contains(where: { $0.record.status == .running }) else { return }
                try transaction.update(workspace: workspace) {
                    $0.fence = max($0.fence, floor) + 1
                    fence.value = $0.fence
                }
            },
        ]
    }

    func markPurged(_ snapshot: String) -> [Statement] {
        [{ try $0.update(snapshot: snapshot) { $0.purged = $0.deleted } }]
    }

    static func index(_ owned: TaskFence) -> Int { (Int(owned.taskID.dropFirst(5)) ?? 10_000) - 10_000 }
}
