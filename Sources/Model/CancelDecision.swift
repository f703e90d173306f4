/// What a request to cancel a task comes to (design 3 and 5), decided on its row as it is under lock.
package enum CancelDecision: Equatable, Sendable {
    /// It waits, for its first attempt or for a retry: it is CANCELED here and now.
    case end
    /// A worker runs it, and has to be told.
    case request
    /// It has ended and stays as it is; in a workspace that is closed nobody minds.
    case unchanged
    /// It has ended.
    case refuse

    /// - Parameter workspace: the state of the task's workspace.
    package init(_ status: TaskStatus, in workspace: WorkspaceState) {
        switch status {
        case .pending, .failed: self = .end
        case .running: self = .request
        case .succeeded, .canceled, .dead: self = workspace == .disabled ? .unchanged : .refuse
        }
    }
}
