import ExecutorRPC
import RuntimeCore

/// One call for one task, as the operations see it.
struct Attempt: Sendable {
    let taskID: String
    let wsid: String
    let fence: UInt64
    let requestID: String
    let cancellation: Cancellation
    let progress: TaskProgress
    /// Carries request, task, workspace and fence.
    let logger: Logger
}
