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

extension Tasks {
    /// Locks a task that is owned, and answers it as it then is; nil if it is owned no longer.
    package static func lock(
        _ owned: TaskFence, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> TaskRecord? {
        try connection.query(
            """
            SELECT \(unescaped: columns) FROM wvs.tasks t
            WHERE task_id = \(owned.taskID) AND status = 'RUNNING' AND fence = \(owned.fence) FOR UPDATE
            """
        ).first.map(decode)
    }

    /// Ends a running attempt: SUCCEEDED, CANCELED, DEAD, or FAILED until `retryAfter` has passed. Nil if the task is owned no
    /// longer: then nothing has changed, and the caller rolls back.
    package static func finish(
        _ owned: TaskFence, as status: TaskStatus, result: JSONValue?, error: TaskError?, retryAfter: Duration?,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) -> TaskRecord? {
        // A task that waits for its retry has not ended.
        let endedAt: Query = status == .failed ? "NULL" : "now()"
        return try connection.query(
            """
            UPDATE wvs.tasks t
            SET status = \(status), ended_at = \(endedAt), result = \(result), error = \(error), progress = NULL,
                next_run_at = coalesce(now() + \(retryAfter.map { Interval($0) })::interval, next_run_at),
                lease_owner = NULL, lease_expires_at = NULL
            WHERE task_id = \(owned.taskID) AND status = 'RUNNING' AND fence = \(owned.fence)
            RETURNING \(unescaped: columns)
            """
        ).first.map(decode)
    }
}
