import Model
import RuntimeCore

/// PostgreSQL with its isolation level READ COMMITTED: each statement sees what was committed when it began, and the rows that it
/// had to wait for as they are afterwards; locks are kept until the end of the transaction.
final class SimulatedDatabase {
    private(set) var rows = SimulatedRows()
    private var holders: [LockKey: [(transaction: Int, mode: LockMode)]] = [:]
    private var open: [Int: SimulatedTransaction] = [:]
    /// Who waits, and for which lock.
    private var waiting: [Int: LockKey] = [:]
    private var nextID = 0
    /// Restarted, or cut off.
    var isReachable = true
    /// Workers whose session holds their advisory lock.
    var signsOfLife: Set<String> = []
    /// Told after each commit: what has changed.
    var onCommit: (SimulatedTransaction) -> Void = { _ in }

    func begin(at now: Int64) -> SimulatedTransaction {
        nextID += 1
        let transaction = SimulatedTransaction(id: nextID, database: self, began: now)
        open[nextID] = transaction
        return transaction
    }

    func addWorkspace() -> Int {
        rows.workspaces.append(SimulatedRows.Workspace())
        rows.tasksOf.append([])
        return rows.workspaces.count - 1
    }

    func commit(_ transaction: SimulatedTransaction) {
        guard open[transaction.id] != nil else { return }
        rows.commits += 1
        for (index, row) in transaction.workspaces { rows.workspaces[index] = row }
        for (id, row) in transaction.snapshots { rows.snapshots[id] = row }
        for (index, row) in transaction.tasks { rows.tasks[index] = row }
        for row in transaction.newTasks {
            row.record.taskID = SimulatedStatements.id(rows.tasks.count)
            row.record.createdAt = Timestamp(microseconds: transaction.began)
            row.committed = rows.commits
            rows.tasksOf[row.workspace].append(rows.tasks.count)
            transaction.insertedTasks.append(rows.tasks.count)
            rows.tasks.append(row)
            rows.ends.append(0)
        }
        for row in transaction.audit {
            rows.audit.append(row)
            if let task = row.task, row.status?.isEnded == true { rows.ends[task] += 1 }
        }
        release(transaction)
        onCommit(transaction)
    }

    func rollBack(_ transaction: SimulatedTransaction) { release(transaction) }

    func isOpen(_ transaction: SimulatedTransaction) -> Bool { open[transaction.id] != nil }

    /// As after `pg_ctl restart -m immediate`: every session is gone.
    func restart() {
        for transaction in Array(open.values) { release(transaction) }
        signsOfLife = []
    }

    private func release(_ transaction: SimulatedTransaction) {
        open[transaction.id] = nil
        waiting[transaction.id] = nil
        for key in transaction.locks {
            holders[key]?.removeAll { $0.transaction == transaction.id }
            if holders[key]?.isEmpty == true { holders[key] = nil }
        }
    }

    // MARK: Locks

    func isFree(_ key: LockKey, _ mode: LockMode, for transaction: Int) -> Bool {
        !(holders[key] ?? []).contains { $0.transaction != transaction && $0.mode.conflicts(with: mode) }
    }

    func acquire(_ key: LockKey, _ mode: LockMode, for transaction: SimulatedTransaction) throws {
        guard isFree(key, mode, for: transaction.id) else {
            waiting[transaction.id] = key
            if isCircle(from: transaction.id) { throw SimulatedFailure.deadlock }
            throw SimulatedFailure.blocked
        }
        waiting[transaction.id] = nil
        transaction.locks.insert(key)
        holders[key, default: []].append((transaction.id, mode))
    }

    private func isCircle(from start: Int) -> Bool {
        var reached: Set<Int> = []
        var next = [start]
        while let transaction = next.popLast() {
            guard let key = waiting[transaction] else { continue }
            for holder in holders[key] ?? [] where holder.transaction != transaction {
                if holder.transaction == start { return true }
                if reached.insert(holder.transaction).inserted { next.append(holder.transaction) }
            }
        }
        return false
    }
}

/// One transaction: what it wrote and nobody else sees, and its locks.
final class SimulatedTransaction {
    let id: Int
    /// `now()` within it.
    let began: Int64
    private let database: SimulatedDatabase
    var locks: Set<LockKey> = []
    fileprivate(set) var workspaces: [Int: SimulatedRows.Workspace] = [:]
    fileprivate(set) var tasks: [Int: SimulatedRows.Task] = [:]
    fileprivate(set) var snapshots: [String: SimulatedRows.Snapshot] = [:]
    fileprivate(set) var newTasks: [SimulatedRows.Task] = []
    fileprivate(set) var audit: [SimulatedRows.AuditRow] = []
    /// Tasks that it made RUNNING, and how many commits the statement saw that did.
    fileprivate(set) var claims: [Int: Int] = [:]
    /// Tasks that a worker ended in it, and under which fence.
    var endings: [Int: Int64] = [:]
    /// Where the new tasks are, after the commit.
    fileprivate(set) var insertedTasks: [Int] = []
    /// What the present statement sees of others; nil between statements.
    private var snapshot: SimulatedRows?
    private var hasPaused = false
    /// Rows that the present statement has locked: it sees them as they are now.
    private var fresh: Set<LockKey> = []

    fileprivate init(id: Int, database: SimulatedDatabase, began: Int64) {
        self.id = id
        self.database = database
        self.began = began
    }

    /// The statement sees what it sees now, and goes on later, as one that runs for a while.
    func pause() throws {
        if !hasPaused {
            hasPaused = true
            throw SimulatedFailure.blocked
        }
    }

    /// Runs a statement; where it has to wait, it is run again later and still sees what it saw at first, but for locked rows.
    func statement(_ body: (SimulatedTransaction) throws -> Void) throws {
        if snapshot == nil { snapshot = database.rows }
        do {
            try body(self)
        } catch let failure as SimulatedFailure {
            if failure != .blocked { endStatement() }
            throw failure
        }
        endStatement()
    }

    private func endStatement() {
        snapshot = nil
        fresh = []
        hasPaused = false
    }

    private var seen: SimulatedRows { snapshot ?? database.rows }

    // MARK: Reading

    var workspaceCount: Int { seen.workspaces.count }

    func workspace(_ index: Int) -> SimulatedRows.Workspace {
        if let own = workspaces[index] { return own }
        return fresh.contains(.workspace(index)) ? database.rows.workspaces[index] : seen.workspaces[index]
    }

    func task(_ index: Int) -> SimulatedRows.Task {
        if let own = tasks[index] { return own }
        return fresh.contains(.task(index)) ? database.rows.tasks[index] : seen.tasks[index]
    }

    func snapshot(_ id: String) -> SimulatedRows.Snapshot? {
        if let own = snapshots[id] { return own }
        return fresh.contains(.snapshot(id)) ? database.rows.snapshots[id] : seen.snapshots[id]
    }

    var taskCount: Int { seen.tasks.count }
    func tasks(of workspace: Int) -> [Int] { seen.tasksOf[workspace] }
    var allSnapshots: [String] { seen.snapshots.keys.sorted() }

    /// Unfinished ones, in the order in which they were accepted.
    func unfinished(in workspace: Int) -> [Int] {
        tasks(of: workspace).filter { task($0).isUnfinished }.sorted { order($0) < order($1) }
    }

    func order(_ index: Int) -> (Timestamp, String) {
        let record = task(index).record
        return (record.createdAt, record.taskID)
    }

    func find(workspace: Int, _ operation: TaskOperation, key: String) -> Int? {
        tasks(of: workspace).first {
            task($0).record.operation == operation && task($0).record.idempotencyKey == key
        }
    }

    // MARK: Locking and writing

    func lock(_ key: LockKey, _ mode: LockMode = .update) throws {
        try database.acquire(key, mode, for: self)
        fresh.insert(key)
    }

    /// SKIP LOCKED.
    func tryLock(_ key: LockKey, _ mode: LockMode = .update) -> Bool {
        guard database.isFree(key, mode, for: id) else { return false }
        do { try lock(key, mode) } catch { return false }
        return true
    }

    func update(workspace index: Int, _ change: (inout SimulatedRows.Workspace) -> Void) throws {
        try lock(.workspace(index), .noKeyUpdate)
        var row = workspace(index)
        change(&row)
        workspaces[index] = row
    }

    func update(task index: Int, _ change: (SimulatedRows.Task) -> Void) throws {
        try lock(.task(index), .noKeyUpdate)
        let row = task(index).copy()
        let wasRunning = row.record.status == .running
        change(row)
        if row.record.status == .running, !wasRunning {
            // The unique index: whoever has an uncommitted entry is waited for.
            try lock(.running(row.workspace))
            let others = database.rows.tasksOf[row.workspace].filter { $0 != index && tasks[$0] == nil }
            if others.contains(where: { database.rows.tasks[$0].record.status == .running }) {
                throw SimulatedFailure.uniqueViolation
            }
            claims[index] = seen.commits
        } else if wasRunning, row.record.status != .running {
            try lock(.running(row.workspace))
        }
        tasks[index] = row
    }

    func update(snapshot id: String, _ change: (inout SimulatedRows.Snapshot) -> Void) throws {
        try lock(.snapshot(id), .noKeyUpdate)
        guard var row = snapshot(id) else { return }
        change(&row)
        snapshots[id] = row
    }

    func insert(snapshot id: String, in workspace: Int) throws {
        // The foreign key.
        try lock(.workspace(workspace), .keyShare)
        if snapshot(id) == nil { snapshots[id] = SimulatedRows.Snapshot(workspace: workspace) }
    }

    /// False where the key is taken.
    func insert(_ task: SimulatedRows.Task) throws -> Bool {
        let key = "\(task.workspace) \(task.record.operation) \(task.record.idempotencyKey)"
        try lock(.key(key))
        let taken = database.rows.tasksOf[task.workspace].contains {
            let record = database.rows.tasks[$0].record
            return record.operation == task.record.operation && record.idempotencyKey == task.record.idempotencyKey
        }
        if taken { return false }
        newTasks.append(task)
        return true
    }

    func insertAudit(
        _ action: AuditAction, workspace: Int, task: Int?, status: TaskStatus?
    ) {
        audit.append(SimulatedRows.AuditRow(task: task, workspace: workspace, action: action, status: status))
    }
}
