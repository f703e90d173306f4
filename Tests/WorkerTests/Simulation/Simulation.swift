import ExecutorRPC
import Model
import RuntimeCore
import Store

@testable import Worker

enum SimulatedEvent {
    case tasks
    case cancel(task: String)
    /// The session was lost and is there again.
    case resumed
}

/// One history of the task engine, made of nothing but its seed: workers, executors, clients and a database in virtual time, and
/// everything that can befall them. Invariants are looked at after every step that changes a row or the file system.
final class Simulation {
    private struct Event {
        let time: Int64
        let tie: UInt64
        let owner: SimulatedWorker?
        let action: () -> Void
    }

    let seed: UInt64
    let flaw: Flaw?
    /// Transactions one after the other, as they can be replayed; and no commit whose outcome is unknown.
    let isSerial: Bool
    var random: Randomness
    private(set) var now: Int64 = 1_700_000_000_000_000
    private let start: Int64
    private var queue = Heap<Event> { ($0.time, $0.tie) < ($1.time, $1.tie) }
    let database = SimulatedDatabase()
    let sql: SimulatedStatements
    let addresses = ["executor-a:1", "executor-b:1"]
    private var executors: [String: SimulatedExecutor] = [:]
    private(set) var workers: [SimulatedWorker] = []
    var trees: [SimulatedTree] = []
    private var open: [(transaction: SimulatedTransaction, owner: SimulatedWorker?)] = []
    /// Until then things go wrong.
    private let calm: Int64
    private(set) var history: [(time: Int64, step: HistoryStep)] = []
    private(set) var violation: String?
    private(set) var log: [String] = []
    private let isLogging: Bool
    private var invariants = Invariants()
    private(set) var steps = 0

    init(seed: UInt64, flaw: Flaw? = nil, isSerial: Bool = false, isLogging: Bool = false, duration: Int64 = 15_000_000)
    {
        self.seed = seed
        self.flaw = flaw
        self.isSerial = isSerial
        self.isLogging = isLogging
        random = Randomness(seed: seed)
        start = now
        calm = now + duration
        let pausing = Box { false }
        sql = SimulatedStatements(
            flaw: flaw, lease: SimulatedWorker.lease.wholeMicroseconds,
            backoff: Backoff(base: .milliseconds(300), limit: .seconds(4)), pauses: { pausing.value() })
        pausing.value = { [unowned self] in !isSerial && random.once(in: 3) }
        for address in addresses { executors[address] = SimulatedExecutor(address: address, simulation: self) }
        workers = (0..<3).map { SimulatedWorker(name: "worker\($0)", simulation: self) }
        database.onCommit = { [unowned self] in committed($0) }
    }

    var isWild: Bool { now < calm }
    var monotonic: MonotonicTime { MonotonicTime(nanoseconds: now * 1000) }

    func executor(_ address: String) -> SimulatedExecutor {
        guard let executor = executors[address] else { preconditionFailure("no executor \(address)") }
        return executor
    }

    func workspace(of task: TaskRecord) -> Int { Int(task.wsid.dropFirst(3)) ?? 0 }

    // MARK: Time

    func after(_ delay: Int64, of owner: SimulatedWorker? = nil, _ action: @escaping () -> Void) {
        queue.insert(Event(time: now + max(0, delay), tie: random.next(), owner: owner, action: action))
    }

    /// Runs to the end, or to the first violation.
    func run() {
        let clients = SimulatedClients(self)
        clients.begin()
        workers.forEach { $0.start() }
        befall()
        let limit = calm + 1_800_000_000
        while violation == nil, let event = queue.popFirst() {
            now = max(now, event.time)
            if now > limit || steps > 60_000 {
                violate("not everything ends: \(unfinished)")
                break
            }
            if let owner = event.owner, owner.stoppedUntil > now {
                queue.insert(Event(time: owner.stoppedUntil, tie: event.tie, owner: owner, action: event.action))
                continue
            }
            steps += 1
            event.action()
            if !isWild, clients.areDone, steps % 16 == 0, isOver { break }
        }
        if violation == nil, let problem = invariants.atTheEnd(self) { violate(problem) }
        // Closures of events hold the workers, which hold this.
        queue = Heap { ($0.time, $0.tie) < ($1.time, $1.tie) }
    }

    private var isOver: Bool {
        database.rows.tasks.allSatisfy { $0.record.status.isEnded }
            && database.rows.snapshots.values.allSatisfy { !$0.deleted || $0.purged } && open.isEmpty
    }

    private var unfinished: [String] {
        database.rows.tasks.filter(\.isUnfinished).map { "\($0.record.taskID) \($0.record.status)" }
            + database.rows.snapshots.filter { $0.value.deleted && !$0.value.purged }.map { "snapshot \($0.key)" }
    }

    /// As `Tasks.timeToNextClaim`.
    var timeToNextClaim: Duration? {
        let waiting = database.rows.tasksOf.compactMap { tasks -> TaskRecord? in
            let unfinished = tasks.map { database.rows.tasks[$0] }.filter(\.isUnfinished).map(\.record)
            guard !unfinished.contains(where: { $0.status == .running }) else { return nil }
            return unfinished.min { ($0.createdAt, $0.taskID) < ($1.createdAt, $1.taskID) }
        }
        return waiting.map { .microseconds(max(0, $0.nextRunAt.microseconds - now)) }.min()
    }

    // MARK: Transactions

    func isReachable(for worker: SimulatedWorker?) -> Bool {
        database.isReachable && (worker?.cutOffUntil ?? 0) <= now
    }

    /// Runs a transaction statement by statement, others between them, and answers what `result` holds once it is committed.
    func perform<Value>(
        _ statements: [Statement], as step: HistoryStep?, by worker: SimulatedWorker?, result: Box<Value>,
        then: @escaping (Result<Value, SimulatedFailure>) -> Void
    ) {
        let generation = worker?.id
        let then: (Result<Value, SimulatedFailure>) -> Void = { outcome in
            if worker?.id == generation { then(outcome) }
        }
        after(latency, of: worker) { [self] in
            guard worker.map({ $0.id == generation && $0.isAlive }) ?? true else { return }
            guard isReachable(for: worker) else {
                return after(latency, of: worker) { then(.failure(.connectionLost)) }
            }
            let transaction = database.begin(at: now)
            open.append((transaction, worker))
            advance(transaction, statements[...], step, worker, result, then)
        }
    }

    private func advance<Value>(
        _ transaction: SimulatedTransaction, _ statements: ArraySlice<Statement>, _ step: HistoryStep?,
        _ worker: SimulatedWorker?, _ result: Box<Value>, _ then: @escaping (Result<Value, SimulatedFailure>) -> Void
    ) {
        guard database.isOpen(transaction) else { return then(.failure(.connectionLost)) }
        guard isReachable(for: worker) else {
            close(transaction)
            return then(.failure(.connectionLost))
        }
        guard let statement = statements.first else {
            return commit(transaction, step, worker, result, then)
        }
        do {
            try transaction.statement(statement)
            let rest = statements.dropFirst()
            if isSerial { return advance(transaction, rest, step, worker, result, then) }
            after(latency, of: worker) { [self] in advance(transaction, rest, step, worker, result, then) }
        } catch SimulatedFailure.blocked {
            // The server waits, whether the worker is stopped or not; looking again is as good as being woken.
            after(random.time(200, 3_000)) { [self] in
                advance(transaction, statements, step, worker, result, then)
            }
        } catch SimulatedFailure.deadlock {
            close(transaction)
            violate("a deadlock")
        } catch {
            close(transaction)
            after(latency, of: worker) { then(.failure(.uniqueViolation)) }
        }
    }

    private func commit<Value>(
        _ transaction: SimulatedTransaction, _ step: HistoryStep?, _ worker: SimulatedWorker?, _ result: Box<Value>,
        _ then: @escaping (Result<Value, SimulatedFailure>) -> Void
    ) {
        open.removeAll { $0.transaction === transaction }
        let dice = isWild && !isSerial ? random.below(120) : 9
        if dice == 0 {
            database.rollBack(transaction)
        } else {
            if let step { history.append((transaction.began, step)) }
            database.commit(transaction)
        }
        after(latency, of: worker) { then(dice < 2 ? .failure(.connectionLost) : .success(result.value)) }
    }

    private func close(_ transaction: SimulatedTransaction) {
        open.removeAll { $0.transaction === transaction }
        database.rollBack(transaction)
    }

    /// A dead worker's sessions end.
    func abandon(_ worker: SimulatedWorker) {
        for entry in open where entry.owner === worker { database.rollBack(entry.transaction) }
        open.removeAll { $0.owner === worker }
    }

    private var latency: Int64 { random.time(30, 900) }

    private func committed(_ transaction: SimulatedTransaction) {
        if let problem = invariants.afterCommit(transaction, self) { violate(problem) }
        if isLogging {
            for (index, row) in transaction.tasks.sorted(by: { $0.key < $1.key }) {
                trace("commit: \(SimulatedStatements.id(index)) \(row.record.status) fence \(row.record.fence ?? 0)")
            }
            for index in transaction.insertedTasks {
                let record = database.rows.tasks[index].record
                trace("accepted: \(record.taskID) \(record.operation) in \(record.wsid)")
            }
        }
        if !transaction.insertedTasks.isEmpty { notify(.tasks) }
        for (index, row) in transaction.tasks.sorted(by: { $0.key < $1.key })
        where row.record.status == .running && row.record.cancelRequested {
            notify(.cancel(task: SimulatedStatements.id(index)))
        }
    }

    /// Some notifications get lost.
    private func notify(_ event: SimulatedEvent) {
        for worker in workers where !random.once(in: 6) {
            after(random.time(100, 2_000), of: worker) { worker.hear(event) }
        }
    }

    // MARK: What befalls them

    private func befall() {
        after(random.time(100_000, 2_000_000)) { [self] in
            guard isWild else { return recover() }
            strike()
            befall()
        }
    }

    private func strike() {
        let worker = workers[random.below(workers.count)]
        switch random.below(9) {
        case 0, 1:
            trace("kill \(worker.name)")
            worker.crash()
            after(random.time(50_000, 4_000_000)) { if !worker.isAlive { worker.start() } }
        case 2:
            trace("stop \(worker.name)")
            worker.stoppedUntil = now + random.time(500_000, 12_000_000)
        case 3:
            trace("tell \(worker.name) to end")
            guard worker.isAlive else { return }
            worker.stop()
            after(random.time(1_500_000, 4_000_000)) { if !worker.isAlive { worker.start() } }
        case 4:
            trace("cut \(worker.name) off")
            worker.cutOffUntil = now + random.time(200_000, 9_000_000)
            after(worker.cutOffUntil - now + 1, of: worker) { worker.hear(.resumed) }
        case 5, 6:
            let executor = executor(addresses[random.below(2)])
            trace("kill \(executor.address)")
            executor.crash(until: now + random.time(50_000, 5_000_000))
        case 7:
            // As where the database was restored from a backup.
            let workspace = random.below(trees.count)
            trace("the executors know a higher fence of workspace \(workspace)")
            trees[workspace].fence += UInt64(1 + random.below(5))
        default:
            trace("restart the database")
            database.restart()
            database.isReachable = false
            open = []
            after(random.time(50_000, 2_500_000)) { [self] in
                database.isReachable = true
                for worker in workers { after(random.time(1_000, 800_000), of: worker) { worker.hear(.resumed) } }
            }
        }
    }

    private func recover() {
        for worker in workers {
            worker.stoppedUntil = 0
            if !worker.isAlive { worker.start() }
        }
    }

    // MARK: Findings

    /// Called by executors for what becomes visible in the file system.
    func published(_ request: ExecuteTaskRequest, in workspace: Int) {
        trace("published: \(request.taskID) fence \(request.fence)")
        if let problem = invariants.afterPublication(request, in: workspace, self) { violate(problem) }
    }

    func violate(_ text: String) {
        if violation == nil { violation = text }
        trace("VIOLATED: \(text)")
    }

    func trace(_ text: @autoclosure () -> String) {
        if isLogging { log.append("\((now - start) / 1000) ms \(text())") }
    }
}
