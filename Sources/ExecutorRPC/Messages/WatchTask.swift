package struct WatchTaskRequest: Equatable, Sendable {
    package var taskID: String
    /// The attempt with this fence; nil: the latest.
    package var fence: UInt64?

    package init(taskID: String, fence: UInt64? = nil) {
        self.taskID = taskID
        self.fence = fence
    }
}

/// What a watch of an attempt brings: progress, as it changes, and in the end one outcome.
package enum TaskEvent: Equatable, Sendable {
    case progress(Progress)
    case ended(ExecuteTaskOutcome)
}
