/// What was published. Paths are relative to the workspace folder.
package enum TaskResult: Equatable, Sendable {
    case initWorkspace(currentPath: String)
    case snapshotCreate(SnapshotCreateResult)
    case snapshotDrop(alreadyGone: Bool)
    case setCurrent(SetCurrentResult)
}

package struct SnapshotCreateResult: Equatable, Sendable {
    package var snapshotID: String
    package var fsPath: String
    package var engine: String
    package var entries: UInt64
    package var receipt: Receipt

    package init(snapshotID: String, fsPath: String, engine: String, entries: UInt64, receipt: Receipt) {
        self.snapshotID = snapshotID
        self.fsPath = fsPath
        self.engine = engine
        self.entries = entries
        self.receipt = receipt
    }
}

package struct SetCurrentResult: Equatable, Sendable {
    package var currentSnapshotID: String
    package var currentPath: String
    /// The snapshot was current already; nothing was cloned.
    package var noop: Bool
    /// Nil where nobody was frozen, as in a no-op.
    package var receipt: Receipt?

    package init(currentSnapshotID: String, currentPath: String, noop: Bool, receipt: Receipt?) {
        self.currentSnapshotID = currentSnapshotID
        self.currentPath = currentPath
        self.noop = noop
        self.receipt = receipt
    }
}
