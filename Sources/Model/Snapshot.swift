package import RuntimeCore

/// A row of `wvs.snapshots`.
package struct Snapshot: Equatable, Sendable {
    package var snapshotID: String
    package var wsid: String
    /// As agents see it.
    package var fsPath: String
    package var message: String?
    package var createdAt: Timestamp
    /// Set by a drop; from then on the snapshot does not exist for any client.
    package var deletedAt: Timestamp?
    /// Set once its directory is gone.
    package var purgedAt: Timestamp?

    package init(
        snapshotID: String, wsid: String, fsPath: String, message: String?, createdAt: Timestamp,
        deletedAt: Timestamp? = nil, purgedAt: Timestamp? = nil
    ) {
        self.snapshotID = snapshotID
        self.wsid = wsid
        self.fsPath = fsPath
        self.message = message
        self.createdAt = createdAt
        self.deletedAt = deletedAt
        self.purgedAt = purgedAt
    }
}
