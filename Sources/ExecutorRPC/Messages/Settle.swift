/// Asks what attempts whose outcome is unknown came to, and makes publication by any lower fence impossible.
package struct SettleRequest: Equatable, Sendable {
    package var taskID: String
    package var wsid: String
    /// Above that of every attempt to be settled.
    package var fence: UInt64
    package var requestID: String
    package var operation: Operation

    package init(taskID: String, wsid: String, fence: UInt64, requestID: String, operation: Operation) {
        self.taskID = taskID
        self.wsid = wsid
        self.fence = fence
        self.requestID = requestID
        self.operation = operation
    }
}

package enum SettleOutcome: Equatable, Sendable {
    case published(TaskResult)
    /// Nothing was published, and nothing will be by a lower fence.
    case notPublished
    /// Settling itself failed: the outcome is as unknown as before, except with `.fenced`.
    case failure(TaskFailure)
}
