package import Model
package import Postgres

/// A dropped snapshot whose directory is still to be removed, and a fence to do it under.
package struct Purge: Equatable, Sendable {
    package let snapshot: Snapshot
    package let fence: Int64

    package init(snapshot: Snapshot, fence: Int64) {
        self.snapshot = snapshot
        self.fence = fence
    }
}

extension Snapshots {
    /// Dropped snapshots whose directory may still be there, in workspaces where no task runs: a task that is claimed afterwards
    /// has a higher fence and goes first. Call it in a transaction.
    package static func claimPurges(
        workspaces limit: Int, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [Purge] {
        let locked = try connection.query(unpurgedWorkspaces(limit: limit)).map { row throws(PostgresError) in
            try row.value("wsid", as: String.self)
        }
        guard !locked.isEmpty else { return [] }
        return try connection.query(
            """
            WITH fenced AS (
                UPDATE wvs.workspaces w SET fence_seq = w.fence_seq + 1
                WHERE w.wsid = ANY(\(locked)::text[])
                  AND NOT EXISTS (SELECT FROM wvs.tasks r WHERE r.wsid = w.wsid AND r.status = 'RUNNING')
                RETURNING w.wsid, w.fence_seq
            )
            SELECT \(unescaped: columns), fence_seq FROM wvs.snapshots JOIN fenced USING (wsid)
            WHERE deleted_at IS NOT NULL AND purged_at IS NULL ORDER BY deleted_at
            """
        ).map { row throws(PostgresError) in Purge(snapshot: try decode(row), fence: try row.value("fence_seq")) }
    }

    /// Locks workspaces with such snapshots; others another time.
    static func unpurgedWorkspaces(limit: Int) -> Query {
        """
        SELECT w.wsid FROM wvs.workspaces w
        WHERE w.wsid IN (SELECT wsid FROM wvs.snapshots WHERE deleted_at IS NOT NULL AND purged_at IS NULL)
        ORDER BY random() LIMIT \(unescaped: String(limit)) FOR NO KEY UPDATE OF w SKIP LOCKED
        """
    }

    /// A new fence for deletions in a workspace, above `floor` too; nil while a task runs there, which has its own. Call it in a
    /// transaction.
    package static func raiseFence(
        of wsid: String, above floor: Int64, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> Int64? {
        // Whoever claims a task of it holds this lock until that task is RUNNING for everybody.
        guard try Workspaces.lock(wsid, .noKeyUpdate, on: connection) != nil else { return nil }
        return try connection.query(
            """
            UPDATE wvs.workspaces w SET fence_seq = greatest(w.fence_seq, \(floor)) + 1
            WHERE w.wsid = \(wsid) AND NOT EXISTS (SELECT FROM wvs.tasks r WHERE r.wsid = w.wsid AND r.status = 'RUNNING')
            RETURNING w.fence_seq
            """
        ).first.map { row throws(PostgresError) in try row.value("fence_seq") }
    }
}
