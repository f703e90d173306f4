import Model
package import Postgres
import Runtime
package import RuntimeCore
import Store

/// Takes tasks from the queue and sees them through (design 5): claims, runs, settles, finishes, and takes over what other workers
/// left behind.
package final class TaskEngine: Service {
    package let name = "task engine"
    /// This worker, as leases and the audit trail name it.
    package let id: String
    let options: EngineOptions
    let ledger: Ledger
    let held: HeldTasks
    private let runner: AttemptRunner
    let executors: Executors
    private let listener: Listener
    private let notifier: Notifier
    let metrics: WorkerMetrics
    let logger: Logger
    let isStopping = Mutex(false)
    private let lookAtQueue: WakeUp
    let renewLeases = WakeUp()
    private let stop = WakeUp()
    /// One for each loop that has to end early.
    private let stopLoops = [WakeUp(), WakeUp(), WakeUp()]

    /// - Parameters:
    ///   - pool: for all transactions; it must outlive the engine.
    ///   - database: for the connections that listen and notify.
    package init(
        id: String = UUIDv7.make(), pool: PostgresPool, database: ConnectionSettings, executors: Executors,
        options: EngineOptions, metrics: WorkerMetrics, logger: Logger
    ) {
        let logger = logger.with(.worker, .text(id))
        self.id = id
        self.options = options
        self.executors = executors
        self.metrics = metrics
        self.logger = logger
        let lookAtQueue = WakeUp()
        let stop = stop
        self.lookAtQueue = lookAtQueue
        // A free slot, and perhaps a successor in the same workspace; or the end of a drain.
        held = HeldTasks(lease: options.lease) {
            lookAtQueue.call()
            stop.call()
        }
        ledger = Ledger(
            pool: pool, holder: LeaseHolder(id: id, lease: options.lease), backoff: options.retry,
            paths: WorkspacePaths(root: options.workspaceRoot), metrics: metrics)
        // The session that listens is this worker's sign of life: its loss is noticed, and mended, at once.
        listener = Listener(database, logger: logger) { connection in
            try Workers.holdSignOfLife(of: id, on: connection)
        }
        notifier = Notifier(database, logger: logger)
        runner = AttemptRunner(
            ledger: ledger, completions: Completions(ledger), executors: executors, held: held, notifier: notifier,
            options: options, metrics: metrics,
            logger: logger)
    }

    // MARK: Life

    /// Works until `shutdown()`; then finishes what runs or, shortly before `drainTimeout` has passed or when cancelled, hands it
    /// back.
    package func run() async throws {
        let hearing = [Task { await hearTasks() }, Task { await hearCancellations() }]
        let services = [Task { try await listener.run() }, Task { try await notifier.run() }]
        let leases = [Task { await keepLeases() }, Task { await watchLeases() }]
        let intake = Task { await dispatch() }
        let reaping = Task { await repeating(every: options.reapInterval, until: stopLoops[0], reaper()) }
        let upkeep = [
            Task { await repeating(every: options.gaugeInterval, until: stopLoops[1]) { await self.measure() } },
            Task { await repeating(every: options.purgeInterval, until: stopLoops[2]) { await self.purge() } },
        ]
        logger.info("worker started", [.count: .integer(Int64(options.concurrency))])
        while !isStopping.withLock({ $0 }), !Task.isCancelled { await stop.sleep(atMost: .seconds(3600)) }
        isStopping.withLock { $0 = true }
        let deadline = MonotonicTime.now + (options.drainTimeout - handBackTime)
        lookAtQueue.call()
        stopLoops.forEach { $0.call() }
        // A deletion under way holds no task and is repeated by somebody.
        upkeep.forEach { $0.cancel() }
        // Who claims or takes over is let finish, and interrupted only where PostgreSQL hangs.
        let limit = Task {
            do { try await Task.sleep(for: deadline.remaining) } catch { return }
            intake.cancel()
            reaping.cancel()
        }
        for task in [intake, reaping] + upkeep { await task.value }
        limit.cancel()
        await drain(until: deadline)
        leases.forEach { $0.cancel() }
        for task in leases { await task.value }
        // Whoever listens learns of the last ends, and that successors may be runnable.
        notifier.notify(.tasks)
        notifier.shutdown()
        listener.shutdown()
        for service in services { try await service.value }
        for task in hearing { await task.value }
    }

    package func shutdown() {
        isStopping.withLock { $0 = true }
        stop.call()
    }

    /// What is kept of `drainTimeout` for handing back.
    private var handBackTime: Duration { min(options.drainTimeout / 10, .seconds(2)) }

    private func drain(until deadline: MonotonicTime) async {
        while held.count > 0, deadline.remaining > .zero, !Task.isCancelled {
            await stop.sleep(atMost: deadline.remaining)
        }
        let rest = held.ownerships
        guard !rest.isEmpty else { return }
        logger.warn("handing back tasks that still run", [.count: .integer(Int64(rest.count))])
        held.loseAll()
        // In a task of its own: this one may be cancelled.
        let ledger = ledger
        let handBack = Task { try await ledger.handBack(rest) }
        let limit = Task {
            do { try await Task.sleep(for: handBackTime) } catch { return }
            handBack.cancel()
        }
        defer { limit.cancel() }
        do {
            try await handBack.value
        } catch {
            logger.warn("tasks not handed back, their leases will end", [.error: LogValue(error)])
        }
    }

    // MARK: Intake

    private func dispatch() async {
        let schedule = PollSchedule(interval: options.pollInterval, idleBackoff: options.idleBackoff)
        while !isStopping.withLock({ $0 }) {
            let pause = await claim(schedule)
            await lookAtQueue.sleep(atMost: pause)
        }
    }

    /// Fills the free slots, and answers when to look again if nobody calls.
    private func claim(_ schedule: PollSchedule) async -> Duration {
        let free = options.concurrency - held.count
        guard free > 0 else { return options.pollInterval }
        let askedAt = MonotonicTime.now
        do {
            let claim = try await ledger.claim(limit: free)
            if claim.tasks.isEmpty { metrics.emptyDequeues.add() }
            for claimed in claim.tasks { start(claimed, askedAt: askedAt, takenOver: false) }
            guard claim.tasks.count < free else {
                tellOthers()
                return options.pollInterval
            }
            return schedule.delay(found: !claim.tasks.isEmpty, nextDue: claim.nextDue)
        } catch {
            logger.warn("queue out of reach", [.error: LogValue(error)])
            return options.pollInterval
        }
    }

    func start(_ claimed: ClaimedTask, askedAt: MonotonicTime, takenOver: Bool) {
        let task = HeldTask(claimed)
        let id = held.hold(task, askedAt: askedAt)
        Task {
            await runner.run(task, id: id, takenOver: takenOver)
            held.release(id)
            // Else this worker looks itself.
            if isStopping.withLock({ $0 }) || held.count >= options.concurrency { tellOthers() }
        }
    }

    /// What this worker has no room for, such as the successor of a task that ended, is for those that sleep.
    private func tellOthers() { notifier.notify(.tasks) }

    private func hearTasks() async {
        for await event in listener.notifications(.tasks) {
            lookAtQueue.call()
            // PostgreSQL may have been away: show soon that this worker lives.
            if event == .resumed { renewLeases.call() }
        }
    }

    private func hearCancellations() async {
        for await event in listener.notifications(.cancel) {
            guard case .received(let taskID) = event else {
                renewLeases.call()
                continue
            }
            held.requestCancel(taskID, at: .now)
        }
    }
}
