package import Model
package import Postgres

extension Tasks {
    /// Locks a task's row, waiting for it, and answers it as it then is. Whoever needs the workspace's row too locks it after this
    /// one, as claim and finish do.
    package static func lock(
        _ taskID: String, _ lock: RowLock, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> TaskRecord? {
        try connection.query(
            "SELECT \(unescaped: columns) FROM wvs.tasks t WHERE task_id = \(taskID) \(unescaped: lock.rawValue)"
        ).first.map(decode)
    }

    /// Ends a task that no worker holds; nil if one does, or if it has ended.
    package static func cancelWaiting(
        _ taskID: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> TaskRecord? {
        try connection.query(
            """
            UPDATE wvs.tasks t SET status = 'CANCELED', cancel_requested = true, ended_at = now()
            WHERE task_id = \(taskID) AND status IN ('PENDING', 'FAILED')
            RETURNING \(unescaped: columns)
            """
        ).first.map(decode)
    }

    /// Asks the worker that holds a task to cancel it; nil if none does.
    package static func requestCancel(
        _ taskID: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> TaskRecord? {
        try connection.query(
            """
            UPDATE wvs.tasks t SET cancel_requested = true WHERE task_id = \(taskID) AND status = 'RUNNING'
            RETURNING \(unescaped: columns)
            """
        ).first.map(decode)
    }

    /// The first task of a workspace that has not ended.
    package static func firstUnfinished(
        in wsid: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> String? {
        try connection.query(unfinished(in: wsid)).first.map { row throws(PostgresError) in
            try row.value("task_id")
        }
    }

    static func unfinished(in wsid: String) -> Query {
        """
        SELECT task_id FROM wvs.tasks
        WHERE wsid = \(wsid) AND status IN ('PENDING', 'RUNNING', 'FAILED') ORDER BY created_at, task_id LIMIT 1
        """
    }
}
