import ExecutorRPC
import Model

/// What an attempt came to, for certain.
enum Verdict: Equatable, Sendable {
    case published(TaskResult)
    /// The snapshot's row is marked; its directory is gone too, or will be removed later.
    case dropped(purged: Bool)
    /// Nothing was published, and nothing will be by this attempt.
    case failed(TaskError)
}

/// What becomes of a task after an attempt.
enum Conclusion: Equatable, Sendable {
    case succeeded
    case canceled
    case retry(TaskError, after: Duration)
    case dead(TaskError)

    /// - Parameter task: as it is now, under lock: a cancellation may have come while the attempt ran.
    init(_ verdict: Verdict, of task: TaskRecord, backoff: Backoff) {
        switch verdict {
        case .published, .dropped: self = .succeeded
        case .failed where task.cancelRequested: self = .canceled
        case .failed(let error) where error.retryable && task.attempt < task.maxAttempts:
            self = .retry(error, after: backoff.delay(afterAttempt: task.attempt))
        case .failed(let error): self = .dead(error)
        }
    }

    var status: TaskStatus {
        switch self {
        case .succeeded: .succeeded
        case .canceled: .canceled
        case .retry: .failed
        case .dead: .dead
        }
    }

    var error: TaskError? {
        switch self {
        case .succeeded, .canceled: nil
        case .retry(let error, _), .dead(let error): error
        }
    }

    var retryAfter: Duration? { if case .retry(_, let delay) = self { delay } else { nil } }

    /// Where the task was to initialise its workspace: the state that this leads to; nil while it is undecided.
    var workspaceState: WorkspaceState? {
        switch self {
        case .succeeded: .active
        case .canceled, .dead: .initFailed
        case .retry: nil
        }
    }
}
