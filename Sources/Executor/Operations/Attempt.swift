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

    /// Takes away what a failed attempt has made. Where that fails too, it is the next attempt's: the cause is told, not this.
    func cleanUp(_ body: () throws -> Void) {
        do {
            try body()
        } catch {
            logger.warn("leftovers of a failed attempt stay for the next", [.error: LogValue(error)])
        }
    }
}
