package import Model
package import Postgres

/// Rows of `wvs.workspaces`.
package enum Workspaces {
    private static let columns =
        "wsid, owner, state, root_path, current_path, current_snapshot_id, uid, gid, fence_seq, created_at, updated_at"

    /// Adds a workspace in the state PROVISIONING; nil if one of that name exists. Waits for a concurrent transaction that adds
    /// it.
    package static func insert(
        wsid: String, owner: String, rootPath: String, currentPath: String, uid: Int?, gid: Int?,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) -> Workspace? {
        try connection.query(
            """
            INSERT INTO wvs.workspaces (wsid, owner, root_path, current_path, uid, gid)
            VALUES (\(wsid), \(owner), \(rootPath), \(currentPath), \(uid), \(gid))
            -- No target: of two at once, one may run into the unique root_path instead of the key.
            ON CONFLICT DO NOTHING
            RETURNING \(unescaped: columns)
            """
        ).first.map(decode)
    }

    package static func get(_ wsid: String, on connection: isolated PostgresConnection) throws(PostgresError)
        -> Workspace?
    {
        try connection.query(selection(wsid)).first.map(decode)
    }

    package static func get(_ wsid: String, on pool: PostgresPool) async throws -> Workspace? {
        try await pool.read(selection(wsid)).first.map(decode)
    }

    private static func selection(_ wsid: String) -> Query {
        "SELECT \(unescaped: columns) FROM wvs.workspaces WHERE wsid = \(wsid)"
    }

    /// Locks a workspace's row, waiting for it, and answers it as it then is.
    package static func lock(
        _ wsid: String, _ lock: RowLock, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> Workspace? {
        try connection.query(locked(wsid, lock)).first.map(decode)
    }

    static func locked(_ wsid: String, _ lock: RowLock) -> Query {
        "SELECT \(unescaped: columns) FROM wvs.workspaces WHERE wsid = \(wsid) \(unescaped: lock.rawValue)"
    }

    /// Newest first.
    package static func list(
        after key: PageKey?, limit: Int, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [Workspace] { try connection.query(page(after: key, limit: limit)).map(decode) }

    static func page(after key: PageKey?, limit: Int) -> Query {
        """
        SELECT \(unescaped: columns) FROM wvs.workspaces WHERE \(PageKey.rows(behind: key, idColumn: "wsid"))
        ORDER BY created_at DESC, wsid DESC LIMIT \(limit)
        """
    }

    /// Moves a workspace on; false if it was in another state.
    @discardableResult
    package static func setState(
        _ wsid: String, from old: WorkspaceState, to new: WorkspaceState, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> Bool {
        try connection.execute(
            "UPDATE wvs.workspaces SET state = \(new), updated_at = now() WHERE wsid = \(wsid) AND state = \(old)") > 0
    }

    /// Records what `current` resolves to. `updated_at` stays where nothing changes.
    package static func setCurrent(
        _ wsid: String, path: String, snapshotID: String?, on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        try connection.execute(currentChange([NewCurrent(wsid: wsid, path: path, snapshotID: snapshotID)]))
    }

    /// For a pipeline.
    package static func currentChange(_ new: [NewCurrent]) -> Query {
        """
        UPDATE wvs.workspaces w
        SET current_path = c.path, current_snapshot_id = c.snapshot_id, updated_at = now()
        FROM unnest(\(new.map(\.wsid))::text[], \(new.map(\.path))::text[], \(new.map(\.snapshotID))::text[])
             AS c(wsid, path, snapshot_id)
        WHERE w.wsid = c.wsid AND (w.current_path, w.current_snapshot_id) IS DISTINCT FROM (c.path, c.snapshot_id)
        """
    }

    /// For a pipeline: ends the provisioning of workspaces, each with a state of its own, and answers the `wsid` of those that
    /// were provisioning.
    package static func provisioned(_ states: [(wsid: String, state: WorkspaceState)]) -> Query {
        """
        UPDATE wvs.workspaces w SET state = p.state, updated_at = now()
        FROM unnest(\(states.map(\.wsid))::text[], \(states.map(\.state))::text[]) AS p(wsid, state)
        WHERE w.wsid = p.wsid AND w.state = 'PROVISIONING' RETURNING w.wsid
        """
    }

    static func decode(_ row: Row) throws(PostgresError) -> Workspace {
        Workspace(
            wsid: try row.value("wsid"), owner: try row.value("owner"), state: try row.value("state"),
            rootPath: try row.value("root_path"), currentPath: try row.value("current_path"),
            currentSnapshotID: try row.value("current_snapshot_id"), uid: try row.value("uid"),
            gid: try row.value("gid"), fence: try row.value("fence_seq"), createdAt: try row.value("created_at"),
            updatedAt: try row.value("updated_at"))
    }
}

/// What `current` of a workspace resolves to.
package struct NewCurrent: Sendable {
    package let wsid: String
    /// As agents see it.
    package let path: String
    package let snapshotID: String?

    package init(wsid: String, path: String, snapshotID: String?) {
        self.wsid = wsid
        self.path = path
        self.snapshotID = snapshotID
    }
}
