import ExecutorRPC
import GRPCTransport
import Model
import RuntimeCore
import Store

@testable import Worker

/// Calls a closure of the one thread that a simulation has, which is why it may be handed to code that asks for `Sendable`.
final class Callback: @unchecked Sendable {
    private let action: () -> Void
    init(_ action: @escaping () -> Void) { self.action = action }
    func call() { action() }
}

/// wvs-worker without its I/O: the production decisions (`Attempt`, `Conclusion`, `LeaseBook`, `HeldTasks`, `SilenceWatch`,
/// `Routing`, `PollSchedule`) in virtual time.
final class SimulatedWorker {
    final class Run {
        let task: HeldTask
        let id: Int
        let workspace: Int
        let operation: Operation
        var attempt: Attempt
        init(_ task: HeldTask, id: Int, workspace: Int, operation: Operation, attempt: Attempt) {
            self.task = task
            self.id = id
            self.workspace = workspace
            self.operation = operation
            self.attempt = attempt
        }
    }

    static let lease = Duration.seconds(6)
    private static let concurrency = 3

    let name: String
    private unowned let simulation: Simulation
    private(set) var id = ""
    /// Moves with every start: what an earlier life began ends nowhere.
    private var generation = 0
    private(set) var isAlive = false
    var stoppedUntil: Int64 = 0
    var cutOffUntil: Int64 = 0
    private var held = HeldTasks(lease: lease, onRelease: {})
    private var routing: Routing
    private var watch = SilenceWatch(patience: lease / 2)
    private let schedule = PollSchedule(interval: .seconds(1), idleBackoff: .seconds(4))
    private var isClaiming = false
    private var isCalled = false
    private var looks = 0
    private var purges = 0
    private var completions: [(completion: Ledger.Completion, run: Run)] = []
    private var writers = 0

    init(name: String, simulation: Simulation) {
        self.name = name
        self.simulation = simulation
        routing = Routing(addresses: simulation.addresses)
    }

    // MARK: Life

    func start() {
        generation += 1
        isAlive = true
        id = "\(name)-\(generation)"
        held = HeldTasks(lease: Self.lease, onRelease: {})
        routing = Routing(addresses: simulation.addresses)
        watch = SilenceWatch(patience: Self.lease / 2)
        isClaiming = false
        isCalled = false
        completions = []
        writers = 0
        connect()
        look()
        every(2_000_000) { $0.renew() }
        every(1_200_000) { worker in
            _ = worker.held.expire(at: worker.simulation.monotonic)
        }
        every(2_000_000) { $0.reap() }
        every(3_000_000) { $0.purge() }
    }

    func crash() {
        isAlive = false
        generation += 1
        simulation.database.signsOfLife.remove(id)
        simulation.abandon(self)
    }

    /// Told to stop: hands back what it holds, and ends.
    func stop() {
        let rest = held.ownerships
        held.loseAll()
        guard !rest.isEmpty else { return crash() }
        simulation.perform(
            simulation.sql.handBack(rest), as: .handBack(rest), by: self, result: Box(())
        ) { [self] _ in crash() }
    }

    /// The session that listens also is the sign of life.
    func connect() {
        if isAlive, simulation.isReachable(for: self) { simulation.database.signsOfLife.insert(id) }
    }

    func hear(_ event: SimulatedEvent) {
        guard isAlive else { return }
        switch event {
        case .tasks: look()
        case .cancel(let task): held.requestCancel(task, at: simulation.monotonic)
        case .resumed:
            connect()
            look()
            renew()
        }
    }

    /// Runs `body` in so long, unless this life has ended; later where it is stopped.
    private func after(_ delay: Int64, _ body: @escaping (SimulatedWorker) -> Void) {
        let generation = generation
        simulation.after(delay, of: self) { [unowned self] in if generation == self.generation { body(self) } }
    }

    private func every(_ period: Int64, _ body: @escaping (SimulatedWorker) -> Void) {
        after(period + simulation.random.time(0, period / 10)) { worker in
            body(worker)
            worker.every(period, body)
        }
    }

    // MARK: Claim

    private func look() {
        guard !isClaiming else {
            isCalled = true
            return
        }
        let free = Self.concurrency - held.count
        guard free > 0 else { return }
        isClaiming = true
        isCalled = false
        looks += 1
        let askedAt = simulation.monotonic
        let claimed = Box<[ClaimedTask]>([])
        simulation.perform(
            simulation.sql.claim(limit: free, by: id, into: claimed), as: .claim(limit: free, worker: id), by: self,
            result: claimed
        ) { [self] outcome in
            isClaiming = false
            switch outcome {
            case .success(let tasks):
                for task in tasks { begin(task, askedAt: askedAt, takenOver: false) }
                let delay = schedule.delay(found: !tasks.isEmpty, nextDue: simulation.timeToNextClaim)
                lookAgain(in: delay.wholeMicroseconds + 1)
            case .failure: lookAgain(in: 1_000_000)
            }
            if isCalled { look() }
        }
    }

    /// Unless something calls before.
    private func lookAgain(in delay: Int64) {
        let last = looks
        after(delay) { if $0.looks == last { $0.look() } }
    }

    private func begin(_ claimed: ClaimedTask, askedAt: MonotonicTime, takenOver: Bool) {
        let task = HeldTask(claimed)
        let id = held.hold(task, askedAt: askedAt)
        guard let parameters = TaskParameters(claimed.task.operation, claimed.task.params) else { return }
        let run = Run(
            task, id: id, workspace: simulation.workspace(of: claimed.task), operation: Operation(parameters),
            attempt: Attempt(
                of: claimed.task, settleBackoff: Backoff(base: .milliseconds(200), limit: .seconds(5))))
        simulation.trace(
            "\(name) begins \(claimed.task.taskID) fence \(claimed.fence)\(takenOver ? " taken over" : "")")
        advance(run, run.attempt.begin(takenOver: takenOver))
    }

    private func end(_ run: Run) {
        held.release(run.id)
        look()
    }

    // MARK: Steps of an attempt

    private func advance(_ run: Run, after event: Attempt.Event) {
        var step = run.attempt.next(after: event)
        switch (simulation.flaw, event, step) {
        case (.unknownIsFailure, .executionUnknown, .raiseFence), (.settlingIsFailure, .settled(.published, _), _):
            step = .finish(
                .failed(TaskError(code: "WVS_EXECUTOR_ERROR", message: "flaw", retryable: true, attempt: 1)))
        case (.fencedIsRepeated, .executed(.failure(let failure), _), .raiseFence) where failure.code == .fenced:
            step = .execute
        default: break
        }
        advance(run, step)
    }

    private func advance(_ run: Run, _ planned: Attempt.Step) {
        guard !run.task.isLost else { return end(run) }
        var step = planned
        if step == .execute, run.attempt.heedsCancel, run.task.cancelRequested { step = run.attempt.cancel() }
        switch step {
        case .release: end(run)
        case .finish(let verdict): finish(run, verdict)
        case .mark: mark(run)
        case .execute: execute(run)
        case .settle(let delay): settle(run, after: delay.wholeMicroseconds)
        case .raiseFence(let floor): raiseFence(run, above: floor)
        }
    }

    private func execute(_ run: Run) {
        let address = routing.order(for: run.task.claimed.task.wsid, at: simulation.monotonic)[0]
        let record = run.task.claimed.task
        let request = ExecuteTaskRequest(
            taskID: record.taskID, wsid: record.wsid, fence: UInt64(clamping: run.task.ownership.fence),
            requestID: "", operation: run.operation)
        call(run, heedingCancel: run.attempt.heedsCancel, timeout: 5_000_000) { [self] answer in
            simulation.executor(address).execute(request, workspace: run.workspace, answer: answer)
        } then: { [self] (outcome: Result<ExecuteTaskOutcome, GRPCError>) in
            remember(address, outcome)
            switch outcome {
            case .success(let outcome): advance(run, after: .executed(outcome, by: address))
            case .failure(let error): advance(run, after: .executionUnknown(CallFailure(error), by: address))
            }
        }
    }

    private func settle(_ run: Run, after delay: Int64) {
        after(delay) { worker in
            guard !run.task.isLost else { return worker.end(run) }
            let address = worker.routing.order(for: run.task.claimed.task.wsid, at: worker.simulation.monotonic)[0]
            worker.call(run, heedingCancel: false, timeout: 3_000_000) { answer in
                worker.simulation.executor(address).settle(
                    run.task.claimed.task.taskID, fence: UInt64(clamping: run.task.ownership.fence),
                    workspace: run.workspace, answer: answer)
                return {}
            } then: { (outcome: Result<SettleOutcome, GRPCError>) in
                worker.remember(address, outcome)
                switch outcome {
                case .success(let outcome): worker.advance(run, after: .settled(outcome, by: address))
                case .failure(let error): worker.advance(run, after: .settlingFailed(CallFailure(error)))
                }
            }
        }
    }

    private func remember(_ address: String, _ outcome: Result<some Any, GRPCError>) {
        switch outcome {
        case .success: routing.markUp(address)
        case .failure(let error) where error.status == .unavailable:
            routing.markDown(address, at: simulation.monotonic)
        case .failure: break
        }
    }

    /// A call with its deadline; the first that happens counts: answer, deadline or interruption.
    private func call<Outcome>(
        _ run: Run, heedingCancel: Bool, timeout: Int64,
        _ send: (@escaping SimulatedExecutor.Answer<Outcome>) -> () -> Void,
        then: @escaping (Result<Outcome, GRPCError>) -> Void
    ) {
        let isOver = Box(false)
        func over(_ outcome: Result<Outcome, GRPCError>, delay: Int64) {
            after(delay) { _ in
                guard !isOver.value else { return }
                isOver.value = true
                run.task.end()
                then(outcome)
            }
        }
        let cancel = send { over($0, delay: 0) }
        after(timeout) { worker in
            if !isOver.value { cancel() }
            over(.failure(GRPCError(.deadlineExceeded, "deadline")), delay: 0)
            _ = worker
        }
        let interrupt = Callback {
            cancel()
            over(.failure(GRPCError(.canceled, "canceled")), delay: 10)
        }
        run.task.begin(heedingCancel: heedingCancel) { interrupt.call() }
    }

    private func mark(_ run: Run) {
        guard case .snapshotDrop(let snapshot) = run.operation else { return }
        let mark = Box(Ledger.Mark.disowned)
        let owned = run.task.ownership
        persist(run, simulation.sql.mark(snapshot, for: owned, into: mark), .mark(snapshot, owned), mark) { mark in
            switch mark {
            case .marked: .marked
            case .refused(let error): .refused(error)
            case .disowned: .disowned
            }
        }
    }

    private func raiseFence(_ run: Run, above floor: Int64) {
        run.task.beginRefencing()
        let askedAt = simulation.monotonic
        let fence = Box<Int64?>(nil)
        let owned = run.task.ownership
        persist(
            run, simulation.sql.raiseFence(of: owned, above: floor, by: id, into: fence),
            .raiseFence(owned, above: floor),
            fence
        ) { [self] fence in
            guard let fence else { return .disowned }
            run.task.raise(to: fence)
            held.extend(run.id, askedAt: askedAt)
            return .fenceRaised
        }
    }

    /// Until it succeeds or the task is lost.
    private func persist<Value>(
        _ run: Run, _ statements: [Statement], _ step: HistoryStep, _ box: Box<Value>, failures: Int = 1,
        event: @escaping (Value) -> Attempt.Event
    ) {
        guard !run.task.isLost else { return end(run) }
        simulation.perform(statements, as: step, by: self, result: box) { [self] outcome in
            switch outcome {
            case .success(let value): advance(run, after: event(value))
            case .failure:
                after(min(50_000 << Int64(failures), 2_000_000)) {
                    $0.persist(run, statements, step, box, failures: failures + 1, event: event)
                }
            }
        }
    }

    // MARK: Finish

    private func finish(_ run: Run, _ verdict: Verdict) {
        completions.append(
            (
                Ledger.Completion(owned: run.task.ownership, wsid: run.task.claimed.task.wsid, verdict: verdict), run
            ))
        write()
    }

    private func write() {
        guard writers < 2, !completions.isEmpty else { return }
        writers += 1
        let batch = completions
        completions = []
        let statuses = Box<[TaskStatus?]>([])
        simulation.perform(
            simulation.sql.finish(batch.map(\.completion), into: statuses), as: .finish(batch.map(\.completion)),
            by: self, result: statuses
        ) { [self] outcome in
            writers -= 1
            switch outcome {
            case .success: batch.forEach { end($0.run) }
            case .failure:
                for (completion, run) in batch {
                    after(simulation.random.time(50_000, 800_000)) { worker in
                        guard !run.task.isLost else { return worker.end(run) }
                        worker.completions.append((completion, run))
                        worker.write()
                    }
                }
            }
            write()
        }
    }

    // MARK: Upkeep

    private func renew() {
        let asked = held.ownerships
        guard !asked.isEmpty else { return }
        let askedAt = simulation.monotonic
        let renewed = Box<[RenewedTask]>([])
        simulation.perform(
            simulation.sql.renew(asked, into: renewed), as: .renew(asked), by: self, result: renewed
        ) { [self] outcome in
            switch outcome {
            case .success(let renewed): held.renew(renewed, of: asked, askedAt: askedAt)
            case .failure: after(250_000) { $0.renew() }
            }
        }
    }

    private func reap() {
        guard simulation.flaw != .neverReap else { return }
        let silent = Box<[SilentTask]>([])
        simulation.perform(
            simulation.sql.silent(besides: id, signs: simulation.database.signsOfLife, into: silent), as: nil, by: self,
            result: silent
        ) { [self] outcome in
            guard case .success(let silent) = outcome else { return watch.reset() }
            let abandoned = watch.observe(silent, at: simulation.monotonic)
            let room = 2 * Self.concurrency - held.count
            guard room > 0 else { return }
            let askedAt = simulation.monotonic
            let taken = Box<[ClaimedTask]>([])
            simulation.perform(
                simulation.sql.takeOver(limit: room, abandoned: abandoned, by: id, into: taken),
                as: .takeOver(limit: room, abandoned: abandoned, worker: id), by: self, result: taken
            ) { [self] outcome in
                guard case .success(let tasks) = outcome else { return watch.reset() }
                for task in tasks { begin(task, askedAt: askedAt, takenOver: true) }
            }
        }
    }

    private func purge() {
        let purges = Box<[(snapshot: String, workspace: Int, fence: Int64)]>([])
        simulation.perform(
            simulation.sql.claimPurges(into: purges), as: .claimPurges, by: self, result: purges
        ) { [self] outcome in
            guard case .success(let purges) = outcome else { return }
            for purge in purges { delete(purge.snapshot, in: purge.workspace, fence: purge.fence) }
        }
    }

    /// Once more under a higher fence where the executor knows one.
    private func delete(_ snapshot: String, in workspace: Int, fence: Int64, isSecond: Bool = false) {
        purges += 1
        let request = ExecuteTaskRequest(
            taskID: "purge-\(id)-\(purges)", wsid: "ws-\(workspace)", fence: UInt64(clamping: fence), requestID: "",
            operation: .snapshotDrop(snapshotID: snapshot))
        let address = routing.order(for: request.wsid, at: simulation.monotonic)[0]
        let generation = generation
        _ = simulation.executor(address).execute(request, workspace: workspace) { [self] outcome in
            guard generation == self.generation else { return }
            switch outcome {
            case .success(.result):
                simulation.perform(
                    simulation.sql.markPurged(snapshot), as: .markPurged(snapshot), by: self, result: Box(())
                ) { _ in }
            case .success(.failure(let failure)) where failure.code == .fenced && !isSecond:
                let raised = Box<Int64?>(nil)
                let floor = Int64(clamping: failure.storedFence ?? 0)
                simulation.perform(
                    simulation.sql.raisePurgeFence(of: workspace, above: floor, into: raised),
                    as: .raisePurgeFence(workspace: workspace, above: floor), by: self, result: raised
                ) { [self] outcome in
                    guard case .success(let fence?) = outcome else { return }
                    delete(snapshot, in: workspace, fence: fence, isSecond: true)
                }
            case .success, .failure: break
            }
        }
    }
}

extension Duration {
    var wholeMicroseconds: Int64 { components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000 }
}
