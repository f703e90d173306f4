import ExecutorRPC
import Model

/// One attempt of a task as a state machine: it is told what happened and says what to do next (design 5).
///
/// An outcome that is not known is never taken for a failure: the task gets a new fence, under which an executor settles it.
struct Attempt {
    enum Step: Equatable {
        /// Mark the snapshot as dropped, in the database.
        case mark
        case execute
        case settle(after: Duration)
        /// Take a new fence above this one, too.
        case raiseFence(above: Int64)
        case finish(Verdict)
        /// Somebody else owns the task: write nothing.
        case release
    }

    enum Event: Equatable {
        case marked
        /// The database forbids the drop.
        case refused(TaskError)
        case executed(ExecuteTaskOutcome, by: String)
        case executionUnknown(CallFailure, by: String)
        case settled(SettleOutcome, by: String)
        case settlingFailed(CallFailure)
        case fenceRaised
        case disowned
    }

    /// How often an attempt goes on under a higher fence because the executor knew one above its own, and how often on another
    /// executor because the first is down.
    private static let refencings = 3
    private static let failovers = 1

    private let operation: TaskOperation
    private let number: Int
    private let settleBackoff: Backoff
    /// Why the outcome is to be settled: the task's error if nothing was published.
    private var cause: TaskError
    private var afterFence = Step.execute
    private var executor: String?
    private var isFirstDown = false
    private var refencings = 0
    private var failovers = 0
    private var settlings = 0

    init(of task: TaskRecord, settleBackoff: Backoff) {
        operation = task.operation
        number = task.attempt
        self.settleBackoff = settleBackoff
        cause = TaskError(
            code: ErrorCode.executorError.rawValue, message: "the worker that ran this attempt was lost",
            retryable: true, attempt: number)
    }

    /// Once its row is marked a drop cannot be canceled; before, the database decides.
    var heedsCancel: Bool { operation != .snapshotDrop }

    /// - Parameter takenOver: from another worker, under a new fence; what its attempt came to is unknown.
    func begin(takenOver: Bool) -> Step {
        if operation == .snapshotDrop { return .mark }
        return takenOver ? .settle(after: .zero) : .execute
    }

    /// Cancellation was requested before the executor was called (again).
    mutating func cancel() -> Step {
        cause = failure(.conflictLocked, "canceled", retryable: false)
        return executor == nil ? .finish(.failed(cause)) : .settle(after: .zero)
    }

    mutating func next(after event: Event) -> Step {
        switch event {
        case .disowned: .release
        case .marked: .execute
        case .refused(let error): .finish(.failed(error))
        case .fenceRaised: afterFence
        case .executed(let outcome, let executor): executed(outcome, by: executor)
        case .executionUnknown(let failure, let executor): executionUnknown(failure, by: executor)
        case .settled(let outcome, let executor): settled(outcome, by: executor)
        // Also where an executor does not understand the question: another, or its next release, may know of a publication.
        case .settlingFailed: settleAgain()
        }
    }

    // MARK: After an execution

    private mutating func executed(_ outcome: ExecuteTaskOutcome, by executor: String) -> Step {
        self.executor = executor
        switch outcome {
        case .failure(let failure) where failure.code == .fenced && refencings < Attempt.refencings:
            return raiseFence(above: failure.storedFence, then: .execute)
        case .result where operation == .snapshotDrop: return .finish(.dropped(purged: true))
        case .failure where operation == .snapshotDrop: return .finish(.dropped(purged: false))
        case .result(let result): return .finish(verdict(result))
        case .failure(let failure): return .finish(.failed(error(failure)))
        }
    }

    private mutating func executionUnknown(_ failure: CallFailure, by executor: String) -> Step {
        self.executor = executor
        // The row is marked, which is what counts; the directory is removed later.
        if operation == .snapshotDrop { return .finish(.dropped(purged: false)) }
        isFirstDown = false
        switch failure {
        case .rejected(let message):
            return .finish(.failed(self.failure(.badRequest, message, retryable: false)))
        case .unreachable(let message):
            isFirstDown = true
            cause = self.failure(.executorError, "executor \(executor): \(message)", retryable: true)
        case .deadline:
            cause = self.failure(.executorTimeout, "the attempt took longer than allowed", retryable: true)
        case .canceled: cause = self.failure(.conflictLocked, "canceled", retryable: true)
        case .unknown(let message):
            cause = self.failure(.executorError, "executor \(executor): \(message)", retryable: true)
        }
        return raiseFence(above: nil, then: .settle(after: .zero))
    }

    // MARK: After settling

    private mutating func settled(_ outcome: SettleOutcome, by executor: String) -> Step {
        switch outcome {
        case .published(let result): return .finish(verdict(result))
        case .notPublished where isFirstDown && executor != self.executor && failovers < Attempt.failovers:
            failovers += 1
            return .execute
        case .notPublished: return .finish(.failed(cause))
        case .failure(let failure) where failure.code == .fenced:
            return raiseFence(above: failure.storedFence, then: settleAgain())
        // There is no such thing for this executor, and there never was: asking again is no use.
        case .failure(let failure) where failure.code == .badRequest || failure.code == .notFound:
            return .finish(.failed(error(failure)))
        case .failure: return settleAgain()
        }
    }

    private mutating func settleAgain() -> Step {
        settlings += 1
        return .settle(after: settleBackoff.delay(afterAttempt: settlings))
    }

    // MARK: Parts

    private mutating func raiseFence(above stored: UInt64?, then step: Step) -> Step {
        if step == .execute { refencings += 1 }
        afterFence = step
        return .raiseFence(above: Int64(clamping: stored ?? 0))
    }

    private func verdict(_ result: TaskResult) -> Verdict {
        guard result.operation == operation else {
            return .failed(failure(.executorError, "the executor answered for another operation", retryable: true))
        }
        return .published(result)
    }

    private func failure(_ code: ErrorCode, _ message: String, retryable: Bool) -> TaskError {
        TaskError(code: code.rawValue, message: message, retryable: retryable, attempt: number)
    }

    private func error(_ failure: TaskFailure) -> TaskError {
        switch failure.code {
        // Clients know neither: both say that the executor gave the attempt up, not why the task failed.
        case .canceled, .fenced: self.failure(.executorError, failure.message, retryable: true)
        default:
            TaskError(
                code: failure.code.rawValue, message: failure.message, retryable: failure.retryable, attempt: number)
        }
    }
}

extension TaskResult {
    var operation: TaskOperation {
        switch self {
        case .initWorkspace: .initWorkspace
        case .snapshotCreate: .snapshotCreate
        case .snapshotDrop: .snapshotDrop
        case .setCurrent: .setCurrent
        }
    }
}
