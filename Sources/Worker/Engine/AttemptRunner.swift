import ExecutorRPC
import GRPCTransport
import Model
import Postgres
import Runtime
import RuntimeCore
import Store

/// Does what an `Attempt` says: calls executors and writes to the ledger.
struct AttemptRunner: Sendable {
    private static let databaseBackoff = Backoff(base: .milliseconds(50), limit: .seconds(2))

    let ledger: Ledger
    let completions: Completions
    let executors: Executors
    let held: HeldTasks
    let notifier: Notifier
    let options: EngineOptions
    let metrics: WorkerMetrics
    let logger: Logger

    /// Runs an attempt to its end, or until the task is lost.
    func run(_ task: HeldTask, id: Int, takenOver: Bool) async {
        let record = task.claimed.task
        let logger = logger(for: record, fence: task.claimed.fence)
        logger.info(takenOver ? "task taken over" : "task started")
        Failpoint.hit("worker.after_claim")
        guard let parameters = TaskParameters(record.operation, record.params) else {
            let error = TaskError(
                code: ErrorCode.badRequest.rawValue, message: "the task's parameters are incomplete", retryable: false,
                attempt: record.attempt)
            return await finish(task, .failed(error), logger)
        }
        let operation = Operation(parameters)
        var attempt = Attempt(of: record, settleBackoff: options.settle)
        var step = attempt.begin(takenOver: takenOver)
        while !task.isLost {
            if step == .execute, attempt.heedsCancel, task.cancelRequested { step = attempt.cancel() }
            switch step {
            case .release: return logger.warn("task owned by somebody else")
            case .finish(let verdict): return await finish(task, verdict, logger)
            case .mark: step = attempt.next(after: await mark(task, parameters, logger))
            case .execute:
                step = attempt.next(after: await execute(task, operation, heedingCancel: attempt.heedsCancel, logger))
            case .settle(let delay): step = attempt.next(after: await settle(task, operation, after: delay, logger))
            case .raiseFence(let floor):
                step = attempt.next(after: await raiseFence(of: task, id: id, above: floor, logger))
            }
        }
        logger.warn("task let go of", [.reason: "the lease ended or was given back"])
    }

    // MARK: Steps

    private func execute(
        _ task: HeldTask, _ operation: Operation, heedingCancel: Bool, _ logger: Logger
    ) async -> Attempt.Event {
        let record = task.claimed.task
        let executor = executors.choose(for: record.wsid)
        let request = ExecuteTaskRequest(
            taskID: record.taskID, wsid: record.wsid, fence: UInt64(clamping: task.ownership.fence),
            requestID: record.requestID ?? record.taskID, operation: operation)
        Failpoint.hit("worker.before_execute")
        let recorder = ProgressRecorder(ledger: ledger, interval: options.progressInterval, logger: logger)
        let progress = Task { await recorder.follow(task, on: executor) }
        let answer = await task.run(heedingCancel: heedingCancel) {
            await executors.execute(
                request, traceparent: record.traceparent, on: executor, deadline: .seconds(record.timeoutSeconds))
        }
        progress.cancel()
        Failpoint.hit("worker.after_execute")
        switch answer {
        case .success(let outcome):
            if case .failure(let failure) = outcome {
                logger.warn(
                    "attempt failed", [.code: .text(failure.code.rawValue), .error: .text(failure.message)])
            }
            return .executed(outcome, by: executor.address)
        case .failure(let error):
            if !task.isLost { logger.warn("attempt's outcome unknown", [.error: .text(error.description)]) }
            return .executionUnknown(CallFailure(error), by: executor.address)
        }
    }

    private func settle(
        _ task: HeldTask, _ operation: Operation, after delay: Duration, _ logger: Logger
    ) async -> Attempt.Event {
        if delay > .zero { await pause(delay, for: task) }
        let record = task.claimed.task
        let request = SettleRequest(
            taskID: record.taskID, wsid: record.wsid, fence: UInt64(clamping: task.ownership.fence),
            requestID: record.requestID ?? record.taskID, operation: operation)
        Failpoint.hit("worker.settle.before")
        let executor = executors.choose(for: record.wsid)
        let answer = await task.run(heedingCancel: false) {
            await executors.settle(
                request, traceparent: record.traceparent, on: executor, deadline: options.settleTimeout)
        }
        Failpoint.hit("worker.settle.after")
        switch answer {
        case .success(let outcome):
            logger.info("attempt settled", [.outcome: .text(outcome.name), .executor: .text(executor.address)])
            return .settled(outcome, by: executor.address)
        case .failure(let error):
            if !task.isLost { logger.warn("attempt not settled yet", [.error: .text(error.description)]) }
            return .settlingFailed(CallFailure(error))
        }
    }

    private func mark(_ task: HeldTask, _ parameters: TaskParameters, _ logger: Logger) async -> Attempt.Event {
        guard case .snapshotDrop(let snapshotID) = parameters else { preconditionFailure("only a drop marks") }
        let mark = await persist(task, logger) {
            try await ledger.markDropped(snapshotID, for: task.ownership, in: task.claimed.task.wsid)
        }
        switch mark {
        case .marked:
            Failpoint.hit("worker.drop.after_mark")
            return .marked
        case .refused(let error): return .refused(error)
        case .disowned, nil: return .disowned
        }
    }

    private func raiseFence(of task: HeldTask, id: Int, above floor: Int64, _ logger: Logger) async -> Attempt.Event {
        task.beginRefencing()
        let askedAt = MonotonicTime.now
        let unsure = Mutex<Int64?>(nil)
        let fence = await persist(task, logger) {
            try await ledger.raiseFence(of: task.ownership, above: floor, unsure: unsure)
        }
        Failpoint.hit("worker.fence.after_commit")
        guard let fence = fence ?? nil else { return .disowned }
        task.raise(to: fence)
        held.extend(id, askedAt: askedAt)
        return .fenceRaised
    }

    private func finish(_ task: HeldTask, _ verdict: Verdict, _ logger: Logger) async {
        Failpoint.hit("worker.before_finish")
        let wsid = task.claimed.task.wsid
        let finished = await persist(task, logger) {
            try await completions.finish(
                Ledger.Completion(owned: task.ownership, wsid: wsid, verdict: verdict))
        }
        Failpoint.hit("worker.after_finish")
        guard let finished = finished ?? nil else { return logger.warn("task owned by somebody else") }
        report(finished, verdict, logger)
    }

    // MARK: Parts

    /// Repeats a change of the database until it succeeds; nil if the task is lost before.
    private func persist<Result: Sendable>(
        _ task: HeldTask, _ logger: Logger, _ change: () async throws -> Result
    ) async -> Result? {
        var failures = 0
        while !task.isLost {
            do {
                return try await change()
            } catch {
                failures += 1
                logger.warn("database change failed, trying again", [.error: LogValue(error)])
                await pause(AttemptRunner.databaseBackoff.delay(afterAttempt: failures), for: task)
            }
        }
        return nil
    }

    private func pause(_ delay: Duration, for task: HeldTask) async {
        await task.run(heedingCancel: false) {
            // Interrupted where the task is lost.
            do { try await Task.sleep(for: delay) } catch {}
        }
    }

    private func report(_ finished: Ledger.Finished, _ verdict: Verdict, _ logger: Logger) {
        let task = finished.task
        metrics.tasks.add(1, task.operation.rawValue, task.status.rawValue)
        if let state = finished.workspaceState {
            metrics.stateTransitions.add(1, WorkspaceState.provisioning.rawValue, state.rawValue)
        }
        if verdict == .dropped(purged: false) { metrics.purgeFailures.add() }
        if case .retry(let error, let delay) = finished.conclusion {
            metrics.retries.add(1, task.operation.rawValue)
            return logger.warn(
                "task failed, to be repeated",
                [
                    .code: .text(error.code), .error: .text(error.message),
                    .delayMilliseconds: .integer(delay.wholeMilliseconds),
                ])
        }
        let end = task.endedAt ?? task.createdAt
        let duration = Duration.microseconds(end.microseconds - task.createdAt.microseconds)
        metrics.taskDuration.observe(duration, task.operation.rawValue)
        notifier.notify(.done, task.taskID)
        let ended = logger.with(.status, .text(task.status.rawValue))
            .with(.durationMilliseconds, .number(duration.milliseconds))
        if let error = task.error {
            ended.warn("task ended", [.code: .text(error.code), .error: .text(error.message)])
        } else {
            ended.info("task ended")
        }
    }

    private func logger(for task: TaskRecord, fence: Int64) -> Logger {
        let logger = logger.with(.requestID, .text(task.requestID ?? task.taskID)).with(.taskID, .text(task.taskID))
            .with(.wsid, .text(task.wsid)).with(.op, .text(task.operation.rawValue))
            .with(.attempt, .integer(Int64(task.attempt))).with(.fence, .integer(fence))
        guard let trace = task.traceparent.flatMap(TraceParent.init) else { return logger }
        return logger.with(trace)
    }
}

extension SettleOutcome {
    /// For the log.
    fileprivate var name: String {
        switch self {
        case .published: "published"
        case .notPublished: "not published"
        case .failure(let failure): failure.code.rawValue
        }
    }
}
