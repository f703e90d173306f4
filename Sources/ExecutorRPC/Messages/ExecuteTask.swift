/// One attempt of a task.
package struct ExecuteTaskRequest: Equatable, Sendable {
    package var taskID: String
    package var wsid: String
    /// Never 0: the first claim of a workspace has fence 1.
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

/// How an attempt ended, for certain.
package enum ExecuteTaskOutcome: Equatable, Sendable {
    /// The work is published, now or by an earlier attempt.
    case result(TaskResult)
    /// The attempt ended and published nothing.
    case failure(TaskFailure)
}
