package import JSON
package import Postgres
package import RuntimeCore

/// One ownership of a task. A new fence makes a new ownership.
package struct TaskFence: Hashable, Sendable {
    package let taskID: String
    package let fence: Int64

    package init(taskID: String, fence: Int64) {
        self.taskID = taskID
        self.fence = fence
    }
}

/// A task whose worker shows no sign of life.
package struct SilentTask: Hashable, Sendable {
    package let ownership: TaskFence
    /// Moves with every renewal.
    package let leaseExpiresAt: Timestamp

    package init(ownership: TaskFence, leaseExpiresAt: Timestamp) {
        self.ownership = ownership
        self.leaseExpiresAt = leaseExpiresAt
    }
}

/// What a renewal answers for a task that is still owned.
package struct RenewedTask: Equatable, Sendable {
    package let ownership: TaskFence
    package let cancelRequested: Bool
}

extension Tasks {
    /// Renews leases in one statement. What is missing in the answer is owned no longer.
    package static func renew(
        _ held: [TaskFence], for lease: Duration, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [RenewedTask] {
        try connection.query(
            """
            WITH held AS MATERIALIZED (\(lockForLease(held)))
            UPDATE wvs.tasks t SET lease_expires_at = now() + \(Interval(lease))::interval
            FROM held WHERE t.task_id = held.task_id AND t.fence = held.fence AND t.status = 'RUNNING'
            RETURNING t.task_id, t.fence, t.cancel_requested
            """
        ).map { row throws(PostgresError) in
            RenewedTask(ownership: try decodeOwnership(row), cancelRequested: try row.value("cancel_requested"))
        }
    }

    /// Ends leases early, so that any worker takes the tasks over at once.
    package static func handBack(
        _ held: [TaskFence], on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        try connection.execute(
            """
            WITH held AS MATERIALIZED (\(lockForLease(held)))
            UPDATE wvs.tasks t SET lease_expires_at = now()
            FROM held WHERE t.task_id = held.task_id AND t.fence = held.fence AND t.status = 'RUNNING'
            """)
    }

    /// In the order in which finishing locks them.
    private static func lockForLease(_ owned: [TaskFence]) -> Query {
        """
        SELECT t.task_id, t.fence FROM wvs.tasks t
        JOIN unnest(\(owned.map(\.taskID))::text[], \(owned.map(\.fence))::bigint[]) AS o(task_id, fence)
          ON t.task_id = o.task_id AND t.fence = o.fence
        WHERE t.status = 'RUNNING' ORDER BY t.task_id FOR UPDATE OF t
        """
    }

    /// Puts a task that is owned under a new fence, above `floor` too; nil if it is owned no longer.
    ///
    /// - Parameter floor: the highest fence that the executor knows, where the database is behind it.
    package static func raiseFence(
        of owned: TaskFence, above floor: Int64, for lease: Duration, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> Int64? {
        try connection.query(
            """
            WITH owned AS (
                SELECT wsid FROM wvs.tasks
                WHERE task_id = \(owned.taskID) AND status = 'RUNNING' AND fence = \(owned.fence) FOR UPDATE
            ), raised AS (
                UPDATE wvs.workspaces w SET fence_seq = greatest(w.fence_seq, \(floor)) + 1 FROM owned
                WHERE w.wsid = owned.wsid RETURNING w.fence_seq
            )
            UPDATE wvs.tasks t SET fence = raised.fence_seq, lease_expires_at = now() + \(Interval(lease))::interval
            FROM raised WHERE t.task_id = \(owned.taskID) RETURNING t.fence
            """
        ).first.map { row throws(PostgresError) in try row.value("fence") }
    }

    /// Whether a task runs under this fence, held by this worker.
    package static func isOwned(
        _ owned: TaskFence, by worker: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> Bool {
        try !connection.query(
            """
            SELECT FROM wvs.tasks
            WHERE task_id = \(owned.taskID) AND status = 'RUNNING' AND fence = \(owned.fence) AND lease_owner = \(worker)
            """
        ).isEmpty
    }

    /// Takes over running tasks whose lease has ended, and those of `abandoned`, each under a new fence. Call it in a transaction.
    package static func takeOver(
        limit: Int, abandoned: [TaskFence], by holder: LeaseHolder, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [ClaimedTask] {
        try connection.query(
            """
            WITH lost AS (
                SELECT t.task_id, t.wsid FROM wvs.tasks t
                WHERE t.status = 'RUNNING' AND (
                    t.lease_expires_at <= now() OR t.lease_expires_at IS NULL
                    OR (t.task_id, t.fence) IN (
                        SELECT task_id, fence FROM unnest(
                            \(abandoned.map(\.taskID))::text[], \(abandoned.map(\.fence))::bigint[]) AS a(task_id, fence)))
                ORDER BY t.lease_expires_at LIMIT \(limit) FOR UPDATE SKIP LOCKED
            ), raised AS (
                UPDATE wvs.workspaces w SET fence_seq = w.fence_seq + 1 FROM lost
                WHERE w.wsid = lost.wsid RETURNING w.wsid, w.fence_seq
            )
            UPDATE wvs.tasks t
            SET fence = raised.fence_seq, lease_owner = \(holder.id),
                lease_expires_at = now() + \(Interval(holder.lease))::interval
            FROM lost JOIN raised USING (wsid) WHERE t.task_id = lost.task_id
            RETURNING \(unescaped: columns), t.status AS previous_status
            """
        ).map(decodeClaimed)
    }

    /// Running tasks of other workers that hold no sign of life at this moment. That proves nothing yet: a restart of PostgreSQL
    /// frees the locks of the living too.
    package static func silent(
        besides worker: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [SilentTask] {
        try connection.query(
            """
            SELECT t.task_id, t.fence, t.lease_expires_at FROM wvs.tasks t
            WHERE t.status = 'RUNNING' AND t.lease_owner <> \(worker) AND t.lease_expires_at IS NOT NULL
              AND NOT EXISTS (
                SELECT FROM pg_locks l
                WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
                  AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
                  AND l.classid::bigint << 32 | l.objid::bigint = \(unescaped: Workers.lockKey("t.lease_owner")))
            """
        ).map { row throws(PostgresError) in
            SilentTask(ownership: try decodeOwnership(row), leaseExpiresAt: try row.value("lease_expires_at"))
        }
    }

    /// What the executor reports of a running attempt.
    package static func storeProgress(
        _ progress: JSONObject, of owned: TaskFence, on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        try connection.execute(
            """
            UPDATE wvs.tasks SET progress = \(progress)
            WHERE task_id = \(owned.taskID) AND status = 'RUNNING' AND fence = \(owned.fence)
            """)
    }

    private static func decodeOwnership(_ row: Row) throws(PostgresError) -> TaskFence {
        TaskFence(taskID: try row.value("task_id"), fence: try row.value("fence"))
    }
}

/// Workers as the database knows them: each holds one advisory lock of its session as long as it lives.
package enum Workers {
    /// Seed 1 keeps these keys apart from those of workspaces.
    static func lockKey(_ expression: String) -> String { "hashtextextended(\(expression), 1)" }

    /// Holds a worker's sign of life as long as this session lasts. Shared, so that a new session of the same worker need not wait
    /// for the server to notice the end of the old one.
    package static func holdSignOfLife(
        of worker: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query("SELECT FROM pg_advisory_lock_shared(hashtextextended(\(worker), 1))")
    }
}
