import ExecutorRPC
import GRPCTransport
import RuntimeCore

/// An executor without a file system: it keeps fences and published results as a real one does, and otherwise does what the test
/// says.
final class ScriptedExecutor: ExecutorService {
    enum Behaviour: Sendable {
        case publish
        case fail(TaskFailure)
        /// Publishes, but the answer never gets back.
        case publishAndHang
        /// Until the call is cancelled.
        case hang
        /// Waits for `release`, then publishes if its fence still allows it.
        case publishWhenReleased
        case refuse(GRPCStatus)
        /// Publishes, and then ends the call without saying so.
        case publishAndRefuse(GRPCStatus)
    }

    struct Call: Equatable, Sendable {
        enum Kind: Sendable { case execute, settle }
        let kind: Kind
        let taskID: String
        let wsid: String
        let fence: UInt64
    }

    private struct State {
        var behaviours: [String: [Behaviour]] = [:]
        var settleBehaviours: [String: [SettleOutcome]] = [:]
        var traces: [String: String] = [:]
        var purgeBehaviours: [Behaviour] = []
        var fences: [String: UInt64] = [:]
        var published: [String: TaskResult] = [:]
        var calls: [Call] = []
        var running: [String: Int] = [:]
        var mostRunning = 0
        var isReleased = false
        var progress: [String: Progress] = [:]
    }

    private let state = Mutex(State())

    // MARK: What the test says and sees

    /// What the next executions of a task do; afterwards they publish.
    func script(_ taskID: String, _ behaviours: Behaviour...) {
        state.withLock { $0.behaviours[taskID, default: []] += behaviours }
    }

    func scriptSettle(_ taskID: String, _ outcomes: SettleOutcome...) {
        state.withLock { $0.settleBehaviours[taskID, default: []] += outcomes }
    }

    /// What deletions outside any task do: their ids are not known before.
    func scriptPurges(_ behaviours: Behaviour...) { state.withLock { $0.purgeBehaviours += behaviours } }

    func knowFence(_ fence: UInt64, of wsid: String) { state.withLock { $0.fences[wsid] = fence } }
    func release() { state.withLock { $0.isReleased = true } }
    func publish(_ taskID: String, _ result: TaskResult) { state.withLock { $0.published[taskID] = result } }
    func report(_ progress: Progress, of taskID: String) { state.withLock { $0.progress[taskID] = progress } }

    /// The trace context that came with a task's last execution.
    var traces: [String: String] { state.withLock { $0.traces } }
    var calls: [Call] { state.withLock { $0.calls } }
    func calls(_ kind: Call.Kind, of taskID: String) -> [Call] {
        calls.filter { $0.kind == kind && $0.taskID == taskID }
    }
    func isPublished(_ taskID: String) -> Bool { state.withLock { $0.published[taskID] != nil } }
    /// Executions that have not ended.
    var running: Int { state.withLock { $0.running.values.reduce(0, +) } }
    /// The most executions that ran in one workspace at a time.
    var mostRunningInOneWorkspace: Int { state.withLock { $0.mostRunning } }

    // MARK: Service

    func executeTask(_ request: ExecuteTaskRequest, context: CallContext) async throws -> ExecuteTaskOutcome {
        let (behaviour, early) = state.withLock { state -> (Behaviour, ExecuteTaskOutcome?) in
            state.calls.append(
                Call(kind: .execute, taskID: request.taskID, wsid: request.wsid, fence: request.fence))
            state.traces[request.taskID] = context.traceparent
            let stored = state.fences[request.wsid] ?? 0
            if request.fence < stored { return (.publish, .failure(.fenced(stored))) }
            state.fences[request.wsid] = request.fence
            if let result = state.published[request.taskID] { return (.publish, .result(result)) }
            state.running[request.wsid, default: 0] += 1
            state.mostRunning = max(state.mostRunning, state.running[request.wsid, default: 0])
            if let next = state.behaviours[request.taskID]?.first {
                state.behaviours[request.taskID]?.removeFirst()
                return (next, nil)
            }
            let isPurge = request.requestID == request.taskID && !state.purgeBehaviours.isEmpty
            if isPurge, case .snapshotDrop = request.operation { return (state.purgeBehaviours.removeFirst(), nil) }
            return (.publish, nil)
        }
        if let early { return early }
        defer { state.withLock { $0.running[request.wsid, default: 1] -= 1 } }
        switch behaviour {
        case .publish: return publish(request)
        case .fail(let failure): return .failure(failure)
        case .publishAndHang:
            _ = publish(request)
            try await Task.sleep(for: .seconds(600))
        case .hang: try await Task.sleep(for: .seconds(600))
        case .publishWhenReleased:
            while !state.withLock({ $0.isReleased }) { try await Task.sleep(for: .milliseconds(2)) }
            return publish(request)
        case .refuse(let status): throw GRPCError(status, "scripted")
        case .publishAndRefuse(let status):
            _ = publish(request)
            throw GRPCError(status, "scripted")
        }
        throw GRPCError(.aborted, "scripted")
    }

    private func publish(_ request: ExecuteTaskRequest) -> ExecuteTaskOutcome {
        state.withLock { state in
            guard state.fences[request.wsid] == request.fence else {
                return .failure(.fenced(state.fences[request.wsid] ?? 0))
            }
            let result = TaskResult.example(for: request.operation)
            state.published[request.taskID] = result
            return .result(result)
        }
    }

    func settle(_ request: SettleRequest, context: CallContext) async throws -> SettleOutcome {
        state.withLock { state in
            state.calls.append(Call(kind: .settle, taskID: request.taskID, wsid: request.wsid, fence: request.fence))
            if let scripted = state.settleBehaviours[request.taskID]?.first {
                state.settleBehaviours[request.taskID]?.removeFirst()
                return scripted
            }
            let stored = state.fences[request.wsid] ?? 0
            guard request.fence >= stored else { return .failure(.fenced(stored)) }
            state.fences[request.wsid] = request.fence
            return state.published[request.taskID].map { .published($0) } ?? .notPublished
        }
    }

    func getTask(_ request: GetTaskRequest, context: CallContext) async throws -> GetTaskResponse {
        let progress = state.withLock { $0.progress[request.taskID] }
        return progress.map { .running(wsid: "ws-1", fence: 1, progress: $0) } ?? .idle
    }

    /// What was reported so far; then it lasts as long as the watcher.
    func watchTask(
        _ request: WatchTaskRequest, context: CallContext, send: @escaping @Sendable (TaskEvent) async throws -> Void
    ) async throws {
        guard let progress = state.withLock({ $0.progress[request.taskID] }) else {
            throw GRPCError(.notFound, "no attempt of \(request.taskID)")
        }
        try await send(.progress(progress))
        try await Task.sleep(for: .seconds(600))
    }
}

extension TaskFailure {
    static func fenced(_ stored: UInt64) -> TaskFailure {
        TaskFailure(code: .fenced, message: "a higher fence is known", retryable: true, storedFence: stored)
    }

    static let busy = TaskFailure(code: .executorError, message: "scripted failure", retryable: true)
    static let hopeless = TaskFailure(code: .notFound, message: "scripted refusal", retryable: false)
}

extension TaskResult {
    /// What an executor would answer.
    static func example(for operation: Operation) -> TaskResult {
        switch operation {
        case .initWorkspace(let liveID, _): .initWorkspace(currentPath: "live/\(liveID)")
        case .snapshotCreate(let snapshotID, _):
            .snapshotCreate(
                SnapshotCreateResult(
                    snapshotID: snapshotID, fsPath: "snapshots/\(snapshotID)", engine: "scripted", entries: 3,
                    receipt: .example))
        case .snapshotDrop: .snapshotDrop(alreadyGone: false)
        case .setCurrent(let snapshotID, let liveID, _):
            .setCurrent(
                SetCurrentResult(
                    currentSnapshotID: snapshotID, currentPath: "live/\(liveID)", noop: false, receipt: .example))
        }
    }
}

extension Receipt {
    static let example = Receipt(
        acknowledgements: [
            Acknowledgement(
                sidecarID: "sidecar", nonce: "nonce", method: "cgroup2", consistency: "quiesced", processes: 1,
                threads: 2,
                flushedFiles: 3, freezeMilliseconds: 0.5, flushMilliseconds: 1.5,
                frozenAt: "2026-02-17T12:00:00.000000Z", held: true)
        ], consistency: "quiesced", windowMilliseconds: 4.5)
}
