package import RuntimeCore

/// Where a workspace is in its life (seeds 04).
package enum WorkspaceState: String, CaseIterable, Sendable {
    case provisioning = "PROVISIONING"
    case active = "ACTIVE"
    case initFailed = "INIT_FAILED"
    case disabled = "DISABLED"
}

/// A row of `wvs.workspaces`.
package struct Workspace: Equatable, Sendable {
    package var wsid: String
    package var owner: String
    package var state: WorkspaceState
    /// `<WVS_WORKSPACE_ROOT>/<wsid>`, as agents see it.
    package var rootPath: String
    /// The live tree that `current` resolves to, as agents see it.
    package var currentPath: String
    package var currentSnapshotID: String?
    /// Owner of the live tree; nil leaves it to the executor's default.
    package var uid: Int?
    package var gid: Int?
    /// The highest fence given out for this workspace.
    package var fence: Int64
    package var createdAt: Timestamp
    package var updatedAt: Timestamp

    package init(
        wsid: String, owner: String, state: WorkspaceState, rootPath: String, currentPath: String,
        currentSnapshotID: String?, uid: Int?, gid: Int?, fence: Int64, createdAt: Timestamp, updatedAt: Timestamp
    ) {
        self.wsid = wsid
        self.owner = owner
        self.state = state
        self.rootPath = rootPath
        self.currentPath = currentPath
        self.currentSnapshotID = currentSnapshotID
        self.uid = uid
        self.gid = gid
        self.fence = fence
        self.createdAt = createdAt
        self.updatedAt = updatedAt
    }
}
