package import Model
package import Postgres

/// Rows of `wvs.snapshots`.
package enum Snapshots {
    static let columns = "snapshot_id, wsid, fs_path, message, created_at, deleted_at, purged_at"

    /// A snapshot that exists for clients; nil for a dropped one and for one of another workspace.
    package static func get(
        _ snapshotID: String, of wsid: String, on pool: PostgresPool
    ) async throws -> Snapshot? {
        try await pool.read(
            """
            SELECT \(unescaped: columns) FROM wvs.snapshots
            WHERE snapshot_id = \(snapshotID) AND wsid = \(wsid) AND deleted_at IS NULL
            """
        ).first.map(decode)
    }

    /// Locks a snapshot's row, waiting for it, and answers it as it then is: also a dropped one, see `deletedAt`.
    package static func lock(
        _ snapshotID: String, of wsid: String, _ lock: RowLock, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> Snapshot? {
        try connection.query(
            """
            SELECT \(unescaped: columns) FROM wvs.snapshots
            WHERE snapshot_id = \(snapshotID) AND wsid = \(wsid) \(unescaped: lock.rawValue)
            """
        ).first.map(decode)
    }

    /// Those that exist for clients, newest first.
    package static func list(
        of wsid: String, after key: PageKey?, limit: Int, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [Snapshot] {
        try connection.query(page(of: wsid, after: key, limit: limit)).map(decode)
    }

    static func page(of wsid: String, after key: PageKey?, limit: Int) -> Query {
        """
        SELECT \(unescaped: columns) FROM wvs.snapshots
        WHERE wsid = \(wsid) AND deleted_at IS NULL AND \(PageKey.rows(behind: key, idColumn: "snapshot_id"))
        ORDER BY created_at DESC, snapshot_id DESC LIMIT \(limit)
        """
    }

    /// What keeps a snapshot from being dropped. Lock its row `FOR UPDATE` first: whoever wants to use it locks it `FOR SHARE`.
    package static func use(
        of snapshotID: String, in wsid: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> SnapshotUse? {
        let current = try connection.query(
            "SELECT FROM wvs.workspaces WHERE wsid = \(wsid) AND current_snapshot_id = \(snapshotID)")
        if !current.isEmpty { return .current }
        return try connection.query(
            """
            SELECT task_id FROM wvs.tasks
            WHERE wsid = \(wsid) AND op = 'set_current' AND status IN ('PENDING', 'RUNNING', 'FAILED')
              AND params->>'snapshot_id' = \(snapshotID) LIMIT 1
            """
        ).first.map { row throws(PostgresError) in .task(try row.value("task_id")) }
    }

    /// The unfinished task that is about to drop a snapshot. Lock its row first, as whoever accepts a drop does.
    package static func pendingDrop(
        of snapshotID: String, in wsid: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> String? {
        try connection.query(
            """
            SELECT task_id FROM wvs.tasks
            WHERE wsid = \(wsid) AND op = 'snapshot_drop' AND status IN ('PENDING', 'RUNNING', 'FAILED')
              AND params->>'snapshot_id' = \(snapshotID) LIMIT 1
            """
        ).first.map { row throws(PostgresError) in try row.value("task_id") }
    }

    /// Adds a snapshot whose directory is published; again does nothing.
    package static func insert(
        _ snapshotID: String, wsid: String, fsPath: String, message: String?,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        try connection.execute(
            insertion(of: [NewSnapshot(snapshotID: snapshotID, wsid: wsid, fsPath: fsPath, message: message)]))
    }

    /// For a pipeline.
    package static func insertion(of new: [NewSnapshot]) -> Query {
        """
        INSERT INTO wvs.snapshots (snapshot_id, wsid, fs_path, message)
        SELECT * FROM unnest(\(new.map(\.snapshotID))::text[], \(new.map(\.wsid))::text[],
                             \(new.map(\.fsPath))::text[], \(new.map(\.message))::text[])
        ON CONFLICT (snapshot_id) DO NOTHING
        """
    }

    /// From here on the snapshot does not exist for any client.
    package static func markDeleted(
        _ snapshotID: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        try connection.execute(
            "UPDATE wvs.snapshots SET deleted_at = now() WHERE snapshot_id = \(snapshotID) AND deleted_at IS NULL")
    }

    /// Its directory is gone.
    package static func markPurged(
        _ snapshotID: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        try connection.execute(purge(of: [snapshotID]))
    }

    /// For a pipeline.
    package static func purge(of snapshotIDs: [String]) -> Query {
        """
        UPDATE wvs.snapshots SET purged_at = now()
        WHERE snapshot_id = ANY(\(snapshotIDs)::text[]) AND deleted_at IS NOT NULL AND purged_at IS NULL
        """
    }

    static func decode(_ row: Row) throws(PostgresError) -> Snapshot {
        Snapshot(
            snapshotID: try row.value("snapshot_id"), wsid: try row.value("wsid"), fsPath: try row.value("fs_path"),
            message: try row.value("message"), createdAt: try row.value("created_at"),
            deletedAt: try row.value("deleted_at"), purgedAt: try row.value("purged_at"))
    }
}

/// A snapshot whose directory is published, before it has a row.
package struct NewSnapshot: Sendable {
    package let snapshotID: String
    package let wsid: String
    /// As agents see it.
    package let fsPath: String
    package let message: String?

    package init(snapshotID: String, wsid: String, fsPath: String, message: String?) {
        self.snapshotID = snapshotID
        self.wsid = wsid
        self.fsPath = fsPath
        self.message = message
    }
}

/// Who holds on to a snapshot.
package enum SnapshotUse: Equatable, Sendable {
    case current
    /// An unfinished set_current.
    case task(String)
}
