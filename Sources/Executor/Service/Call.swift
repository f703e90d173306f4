import ExecutorRPC
import RuntimeCore

/// One call under way, or waiting for its workspace.
final class Call: Sendable {
    /// Why a call is to stop before it has published.
    enum StopReason: Equatable, Sendable {
        /// The caller cancelled, or has gone.
        case canceled
        case deadline
        /// A call with this higher fence wants the workspace.
        case fenced(by: UInt64)
    }

    let taskID: String
    let wsid: String
    let fence: UInt64
    let cancellation: Cancellation
    let progress = TaskProgress()
    /// Why it is to stop, and how far it was then.
    private let reason = Mutex<(why: StopReason, phase: Progress.Phase)?>(nil)

    init(taskID: String, wsid: String, fence: UInt64) throws(SystemError) {
        self.taskID = taskID
        self.wsid = wsid
        self.fence = fence
        cancellation = try Cancellation()
    }

    /// The first reason counts.
    func stop(_ why: StopReason) {
        reason.withLock { if $0 == nil { $0 = (why, progress.current.phase) } }
        cancellation.cancel()
    }

    /// What a call that was stopped before it published answers.
    var stopFailure: TaskFailure? {
        guard let (why, phase) = reason.withLock({ $0 }) else { return nil }
        return switch why {
        case .canceled: TaskFailure(code: .canceled, message: "canceled by the caller", retryable: true)
        case .deadline:
            TaskFailure(
                code: .executorTimeout,
                message: "not finished by the deadline, while \(phase.rawValue)", retryable: true)
        case .fenced(let fence): TaskFailure(FencedOff(stored: fence))
        }
    }
}
