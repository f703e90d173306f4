package import JSON
package import Model
package import Postgres

extension Workspaces {
    /// Keeps finish and drop in one workspace apart until the end of the transaction. 64 bits: no two workspaces share it.
    package static func lockExclusively(
        _ wsid: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        _ = try connection.query("SELECT FROM pg_advisory_xact_lock(hashtextextended(\(wsid), 0))")
    }
}

/// How a running attempt ends.
package struct AttemptEnd: Sendable {
    package let owned: TaskFence
    package let status: TaskStatus
    package let result: JSONValue?
    package let error: TaskError?
    /// With FAILED only.
    package let retryAfter: Duration?

    package init(owned: TaskFence, status: TaskStatus, result: JSONValue?, error: TaskError?, retryAfter: Duration?) {
        self.owned = owned
        self.status = status
        self.result = result
        self.error = error
        self.retryAfter = retryAfter
    }
}

extension Tasks {
    /// Locks a task that is owned, and answers it as it then is; nil if it is owned no longer.
    package static func lock(
        _ owned: TaskFence, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> TaskRecord? {
        try connection.query(lock([owned])).first.map(decode)
    }

    /// Takes the exclusive lock of all these workspaces, then locks those of the tasks that are still owned and answers them as
    /// they then are. Both in an order that is the same for everybody: transactions that lock several never wait in a circle.
    package static func lock(
        _ owned: [TaskFence], in workspaces: Set<String>, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [TaskRecord] {
        let exclusively: Query = """
            SELECT pg_advisory_xact_lock(hashtextextended(wsid, 0)) FROM unnest(\(workspaces.sorted())::text[]) AS w(wsid)
            """
        return try connection.pipeline([exclusively, lock(owned)])[1].map(decode)
    }

    private static func lock(_ owned: [TaskFence]) -> Query {
        """
        SELECT \(unescaped: columns) FROM wvs.tasks t
        JOIN unnest(\(owned.map(\.taskID))::text[], \(owned.map(\.fence))::bigint[]) AS held(task_id, fence)
          ON t.task_id = held.task_id AND t.fence = held.fence
        WHERE t.status = 'RUNNING' ORDER BY t.task_id FOR UPDATE OF t
        """
    }

    /// Ends running attempts: SUCCEEDED, CANCELED, DEAD, or FAILED until `retryAfter` has passed. Those that are owned no longer
    /// stay as they are. For a pipeline; its rows are for `decode`.
    package static func finish(_ ends: [AttemptEnd]) -> Query {
        """
        UPDATE wvs.tasks t
        SET status = e.status, result = e.result, error = e.error, progress = NULL,
            -- A task that waits for its retry has not ended.
            ended_at = CASE WHEN e.status = 'FAILED' THEN NULL ELSE now() END,
            next_run_at = coalesce(now() + e.retry_after, t.next_run_at),
            lease_owner = NULL, lease_expires_at = NULL
        FROM unnest(\(ends.map(\.owned.taskID))::text[], \(ends.map(\.owned.fence))::bigint[],
                    \(ends.map(\.status))::text[], \(ends.map(\.result))::jsonb[], \(ends.map(\.error))::jsonb[],
                    \(ends.map { $0.retryAfter.map { Interval($0) } })::interval[])
             AS e(task_id, fence, status, result, error, retry_after)
        WHERE t.task_id = e.task_id AND t.fence = e.fence AND t.status = 'RUNNING'
        RETURNING \(unescaped: columns)
        """
    }

    package static func finish(
        _ end: AttemptEnd, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> TaskRecord? { try connection.query(finish([end])).first.map(decode) }
}
