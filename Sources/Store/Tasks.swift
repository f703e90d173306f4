package import JSON
package import Model
package import Postgres
package import Runtime

/// What is known of a task when it is accepted.
package struct NewTask: Sendable {
    package let taskID: String
    package let wsid: String
    package let parameters: TaskParameters
    package let idempotencyKey: String
    package let requestHash: String
    package let requestID: String
    /// W3C Trace Context of the request; the worker hands it on.
    package let trace: TraceParent?

    package init(
        taskID: String, wsid: String, parameters: TaskParameters, idempotencyKey: String, requestHash: String,
        requestID: String, trace: TraceParent? = nil
    ) {
        self.taskID = taskID
        self.wsid = wsid
        self.parameters = parameters
        self.idempotencyKey = idempotencyKey
        self.requestHash = requestHash
        self.requestID = requestID
        self.trace = trace
    }

    /// What `tasks.params` holds.
    package var params: JSONObject {
        var params = parameters.json
        params[TaskRecord.traceMember] = trace.map { .string($0.description) }
        return params
    }
}

/// Which tasks a list shows; nil shows all.
package struct TaskFilter: Sendable {
    package var wsid: String?
    package var status: TaskStatus?
    package var operation: TaskOperation?

    package init(wsid: String? = nil, status: TaskStatus? = nil, operation: TaskOperation? = nil) {
        self.wsid = wsid
        self.status = status
        self.operation = operation
    }
}

/// Rows of `wvs.tasks`, as a client sees them. What only the task engine does is in `Tasks+….swift`.
package enum Tasks {
    static let columns = """
        t.task_id, t.wsid, t.op, t.status, t.idempotency_key, t.request_hash, t.request_id, t.created_at, t.started_at, \
        t.ended_at, t.attempt, t.max_attempts, t.next_run_at, t.timeout_seconds, t.cancel_requested, t.fence, t.params, \
        t.progress, t.result, t.error
        """

    /// Adds a PENDING task; nil if the idempotency key is taken for this workspace and operation. Waits for a concurrent
    /// transaction that adds the same one.
    ///
    /// - Parameter event: of its acceptance; added with it, or not at all.
    package static func insert(
        _ new: NewTask, event: AuditEvent? = nil, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> TaskRecord? {
        let task: Query = "\(insertion(new)) \(unlessAccepted)"
        guard let event else { return try connection.query(task).first.map(decode) }
        return try connection.query(insertion(task, event)).first.map(decode)
    }

    /// Adds a PENDING task with the event of its acceptance, if the workspace is in `state` and stays so until the commit. Together with
    /// others in one transaction, so it waits for nobody: nil also where the workspace's row is locked at this moment, or where the
    /// idempotency key is taken.
    package static func insert(
        _ new: NewTask, event: AuditEvent, whereWorkspaceIs state: WorkspaceState, on pool: PostgresPool
    ) async throws -> TaskRecord? {
        let task: Query = """
            \(insertion(new))
            FROM (SELECT FROM wvs.workspaces WHERE wsid = \(new.wsid) AND state = \(state)
                  \(unescaped: RowLock.share.rawValue) SKIP LOCKED) w
            \(unlessAccepted)
            """
        return try await pool.write(insertion(task, event), order: "\(new.wsid) \(new.idempotencyKey)").first.map(
            decode)
    }

    private static func insertion(_ new: NewTask) -> Query {
        """
        INSERT INTO wvs.tasks AS t (task_id, wsid, op, idempotency_key, request_hash, request_id, params)
        SELECT \(new.taskID), \(new.wsid), \(new.parameters.operation), \(new.idempotencyKey), \(new.requestHash),
               \(new.requestID), \(new.params)::jsonb
        """
    }

    private static var unlessAccepted: Query {
        "ON CONFLICT (wsid, op, idempotency_key) DO NOTHING RETURNING \(unescaped: columns)"
    }

    private static func insertion(_ task: Query, _ event: AuditEvent) -> Query {
        """
        WITH t AS (\(task)), event AS (\(Audit.insertion(event, onlyWhere: "EXISTS (SELECT FROM t)")))
        SELECT \(unescaped: columns) FROM t
        """
    }

    package static func get(_ taskID: String, on connection: isolated PostgresConnection) throws(PostgresError)
        -> TaskRecord?
    {
        try connection.query(selection(taskID)).first.map(decode)
    }

    package static func get(_ taskID: String, on pool: PostgresPool) async throws -> TaskRecord? {
        try await pool.read(selection(taskID)).first.map(decode)
    }

    private static func selection(_ taskID: String) -> Query {
        "SELECT \(unescaped: columns) FROM wvs.tasks t WHERE task_id = \(taskID)"
    }

    /// The task that was accepted under an idempotency key.
    package static func find(
        wsid: String, operation: TaskOperation, idempotencyKey: String, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> TaskRecord? {
        try connection.query(accepted(wsid, operation, idempotencyKey)).first.map(decode)
    }

    /// The same, and the workspace, locked, in one round trip.
    package static func find(
        wsid: String, operation: TaskOperation, idempotencyKey: String, locking lock: RowLock,
        on connection: isolated PostgresConnection
    ) throws(PostgresError) -> (task: TaskRecord?, workspace: Workspace?) {
        let rows = try connection.pipeline([
            accepted(wsid, operation, idempotencyKey), Workspaces.locked(wsid, lock),
        ])
        return (try rows[0].first.map(decode), try rows[1].first.map(Workspaces.decode))
    }

    private static func accepted(_ wsid: String, _ operation: TaskOperation, _ idempotencyKey: String) -> Query {
        """
        SELECT \(unescaped: columns) FROM wvs.tasks t
        WHERE wsid = \(wsid) AND op = \(operation) AND idempotency_key = \(idempotencyKey)
        """
    }

    /// Newest first.
    package static func list(
        _ filter: TaskFilter, after key: PageKey?, limit: Int, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [TaskRecord] {
        try connection.query(page(filter, after: key, limit: limit)).map(decode)
    }

    static func page(_ filter: TaskFilter, after key: PageKey?, limit: Int) -> Query {
        var conditions = PageKey.rows(behind: key, idColumn: "task_id")
        if let wsid = filter.wsid { conditions = "\(conditions) AND wsid = \(wsid)" }
        if let status = filter.status { conditions = "\(conditions) AND status = \(status)" }
        if let operation = filter.operation { conditions = "\(conditions) AND op = \(operation)" }
        return """
            SELECT \(unescaped: columns) FROM wvs.tasks t WHERE \(conditions)
            ORDER BY created_at DESC, task_id DESC LIMIT \(limit)
            """
    }

    package static func decode(_ row: Row) throws(PostgresError) -> TaskRecord {
        TaskRecord(
            taskID: try row.value("task_id"), wsid: try row.value("wsid"), operation: try row.value("op"),
            status: try row.value("status"), idempotencyKey: try row.value("idempotency_key"),
            requestHash: try row.value("request_hash"), requestID: try row.value("request_id"),
            createdAt: try row.value("created_at"), startedAt: try row.value("started_at"),
            endedAt: try row.value("ended_at"), attempt: try row.value("attempt"),
            maxAttempts: try row.value("max_attempts"), nextRunAt: try row.value("next_run_at"),
            timeoutSeconds: try row.value("timeout_seconds"), cancelRequested: try row.value("cancel_requested"),
            fence: try row.value("fence"), params: try row.value("params"), progress: try row.value("progress"),
            result: try row.value("result"), error: try row.value("error"))
    }
}
