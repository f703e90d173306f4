/// What the audit trail tells of (design 5): one row for each accepted request, task start and task end.
package enum AuditAction: String, CaseIterable, Sendable {
    case workspaceCreate = "workspace.create"
    case workspaceInit = "workspace.init"
    case workspaceRetryInit = "workspace.retry_init"
    case workspaceDisable = "workspace.disable"
    case snapshotCreate = "workspace.snapshot_create"
    case snapshotDrop = "workspace.snapshot_drop"
    case setCurrent = "workspace.set_current"
    case taskCancel = "task.cancel"
}

extension TaskOperation {
    /// The action under which a task's start and end are recorded.
    package var auditAction: AuditAction {
        switch self {
        case .initWorkspace: .workspaceInit
        case .snapshotCreate: .snapshotCreate
        case .snapshotDrop: .snapshotDrop
        case .setCurrent: .setCurrent
        }
    }
}
