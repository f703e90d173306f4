import ExecutorRPC
import GRPCTransport
import Runtime
import RuntimeCore

/// Does tasks for workers: admits calls, bounds their number and their time, runs the operations on threads of their own.
final class WorkspaceExecutor: ExecutorService {
    /// Most calls that work at the same time; more wait.
    private static let width = 64

    private let operations: WorkspaceOperations
    private let recovery: Recovery
    private let calls = CallRegistry()
    private let attempts = AttemptBook()
    private let pool = BlockingPool(label: "executor.operations", width: WorkspaceExecutor.width)
    private let logger: Logger

    init(context: OperationContext, recovery: Recovery, logger: Logger) {
        operations = WorkspaceOperations(context: context)
        self.recovery = recovery
        self.logger = logger
    }

    func executeTask(_ request: ExecuteTaskRequest, context: CallContext) async throws -> ExecuteTaskOutcome {
        let call: Call
        switch admit(request) {
        case .success(let admitted): call = admitted
        case .failure(let refusal): return .failure(refusal)
        }
        attempts.begin(call)
        do {
            let outcome = try await execute(request, call, context)
            attempts.end(call, .outcome(outcome))
            return outcome
        } catch {
            attempts.end(call, .unknown(String(describing: error)))
            throw error
        }
    }

    private func execute(
        _ request: ExecuteTaskRequest, _ call: Call, _ context: CallContext
    ) async throws -> ExecuteTaskOutcome {
        let attempt = attempt(request, call, context)
        let start = MonotonicTime.now
        do {
            let result = try await run(call, context) { try $0.execute(request.operation, attempt) }
            attempt.logger.info("task executed", [.durationMilliseconds: Self.elapsed(since: start)])
            return .result(result)
        } catch let unknown as OutcomeUnknown {
            attempt.logger.error("outcome unknown", [.error: LogValue(unknown.cause)])
            throw unknown
        } catch {
            return .failure(report(error, call, attempt, start))
        }
    }

    func settle(_ request: SettleRequest, context: CallContext) async throws -> SettleOutcome {
        let call: Call
        switch admit(request) {
        case .success(let admitted): call = admitted
        case .failure(let refusal): return .failure(refusal)
        }
        let attempt = attempt(request, call, context)
        let start = MonotonicTime.now
        do {
            let result = try await run(call, context) { try $0.settle(request.operation, attempt) }
            attempt.logger.info("attempt settled", [.outcome: .text(result == nil ? "not_published" : "published")])
            return result.map { .published($0) } ?? .notPublished
        } catch {
            return .failure(report(error, call, attempt, start))
        }
    }

    func getTask(_ request: GetTaskRequest, context: CallContext) async throws -> GetTaskResponse {
        let newest = attempts.newest(of: request.taskID)
        if let newest, newest.progress.end == nil {
            return .running(wsid: newest.wsid, fence: newest.fence, progress: newest.progress.current)
        }
        // A Settle is no attempt, but work on the task.
        if let call = calls.running(taskID: request.taskID) {
            return .running(wsid: call.wsid, fence: call.fence, progress: call.progress.current)
        }
        guard let newest, case .outcome(let outcome) = newest.progress.end else { return .idle }
        return .ended(wsid: newest.wsid, fence: newest.fence, outcome: outcome)
    }

    func watchTask(
        _ request: WatchTaskRequest, context: CallContext, send: @escaping @Sendable (TaskEvent) async throws -> Void
    ) async throws {
        guard let newest = attempts.newest(of: request.taskID), newest.fence == request.fence ?? newest.fence else {
            throw GRPCError(.notFound, "no such attempt of task \(request.taskID) is known here")
        }
        try await newest.progress.follow(send)
    }

    /// The call for a good request; else why nothing is done.
    private func admit(_ request: some AttemptRequest) -> Result<Call, TaskFailure> {
        if let refusal = RequestCheck.failure(request) { return .failure(refusal) }
        do {
            return .success(try Call(taskID: request.taskID, wsid: request.wsid, fence: request.fence))
        } catch {
            return .failure(TaskFailure(cause: error))
        }
    }

    /// Runs `work` when it is this call's turn, and waits for it; a cancelled or late call stops as soon as it may.
    private func run<Result: Sendable>(
        _ call: Call, _ context: CallContext, _ work: @escaping @Sendable (WorkspaceOperations) throws -> Result
    ) async throws -> Result {
        try recovery.checkReady()
        let deadline = context.deadline ?? .now + operations.context.settings.taskTimeout
        let timer = Task { [calls] in
            try await Task.sleep(for: deadline.remaining)
            calls.stop(call, .deadline)
        }
        defer { timer.cancel() }
        return try await withTaskCancellationHandler {
            try await calls.begin(call)
            defer { calls.end(call) }
            let activeTasks = operations.context.metrics.activeTasks
            activeTasks.add(1)
            defer { activeTasks.add(-1) }
            return try await pool.run { [operations] in
                try call.cancellation.check()
                return try work(operations)
            }
        } onCancel: {
            calls.stop(call, .canceled)
        }
    }

    private func attempt(_ request: some AttemptRequest, _ call: Call, _ context: CallContext) -> Attempt {
        var logger = self.logger.with(.requestID, .text(request.requestID)).with(.taskID, .text(call.taskID))
            .with(.wsid, .text(call.wsid)).with(.fence, .integer(Int64(clamping: call.fence)))
            .with(.op, .text(request.operation.name))
        if let trace = context.traceparent.flatMap(TraceParent.init) {
            logger = logger.with(trace)
        }
        return Attempt(
            taskID: call.taskID, wsid: call.wsid, fence: call.fence, requestID: request.requestID,
            cancellation: call.cancellation, progress: call.progress, logger: logger)
    }

    private func report(_ error: any Error, _ call: Call, _ attempt: Attempt, _ start: MonotonicTime) -> TaskFailure {
        var failure = TaskFailure(cause: error)
        // Why it was stopped says more than that it was.
        if failure.code == .canceled, let reason = call.stopFailure { failure = reason }
        attempt.logger.warn(
            "attempt failed",
            [
                .code: .text(failure.code.rawValue), .reason: .text(failure.message),
                .durationMilliseconds: Self.elapsed(since: start),
            ])
        return failure
    }

    private static func elapsed(since start: MonotonicTime) -> LogValue {
        .number((MonotonicTime.now - start).milliseconds)
    }
}

extension Operation {
    /// As tasks, logs and metrics name it.
    var name: String {
        switch self {
        case .initWorkspace: "init_workspace"
        case .snapshotCreate: "snapshot_create"
        case .snapshotDrop: "snapshot_drop"
        case .setCurrent: "set_current"
        }
    }
}
