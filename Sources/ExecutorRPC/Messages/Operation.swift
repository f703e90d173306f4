/// What is to be done in a workspace. Ids of what will be created are fixed when the task is accepted, so that all
/// attempts agree on them.
package enum Operation: Equatable, Sendable {
    /// - owner: of the live tree; nil means the executor's `EXECUTOR_DEFAULT_UID/GID`.
    case initWorkspace(liveID: String, owner: Owner?)
    case snapshotCreate(snapshotID: String, message: String)
    case snapshotDrop(snapshotID: String)
    /// - discard: clone even where the snapshot is already current; throws the agent's changes away.
    case setCurrent(snapshotID: String, liveID: String, discard: Bool)
}

/// Whom a live tree belongs to.
package struct Owner: Equatable, Sendable {
    package var uid: UInt32
    package var gid: UInt32

    package init(uid: UInt32, gid: UInt32) {
        self.uid = uid
        self.gid = gid
    }
}
