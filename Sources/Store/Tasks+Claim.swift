package import Model
package import Postgres

/// A task that a worker owns for the length of a lease, and only under this fence.
package struct ClaimedTask: Equatable, Sendable {
    package var task: TaskRecord
    package var fence: Int64
    /// What it was before: PENDING, or FAILED and due again.
    package var previousStatus: TaskStatus

    package init(task: TaskRecord, fence: Int64, previousStatus: TaskStatus) {
        self.task = task
        self.fence = fence
        self.previousStatus = previousStatus
    }
}

/// Who claims, and for how long.
package struct LeaseHolder: Sendable {
    /// A worker's id; its sign of life is the advisory lock `Workers.lockKey` of it.
    package let id: String
    package let lease: Duration

    package init(id: String, lease: Duration) {
        self.id = id
        self.lease = lease
    }
}

extension Tasks {
    /// Whether task `t` is the first unfinished one of its workspace and none runs there. (A task accepted by a slow transaction
    /// may become visible as the first while a later one runs already.) A scalar subquery: an anti-join would be planned as a
    /// scan of the whole backlog.
    private static let isNextInLine = """
        t.task_id = (SELECT e.task_id FROM wvs.tasks e
                     WHERE e.wsid = t.wsid AND e.status IN ('PENDING', 'RUNNING', 'FAILED')
                     ORDER BY e.created_at, e.task_id LIMIT 1)
        AND NOT EXISTS (SELECT FROM wvs.tasks r WHERE r.wsid = t.wsid AND r.status = 'RUNNING')
        """

    /// Locks tasks and their workspaces. The limit is part of the text: for a parameter PostgreSQL would plan as if a tenth of
    /// the backlog were wanted.
    static func candidates(limit: Int) -> Query {
        """
        \(unescaped: runnable) LIMIT \(unescaped: String(limit))
        FOR UPDATE OF t SKIP LOCKED FOR NO KEY UPDATE OF w SKIP LOCKED
        """
    }

    private static let runnable = """
        SELECT t.task_id FROM wvs.tasks t JOIN wvs.workspaces w ON w.wsid = t.wsid
        WHERE t.status IN ('PENDING', 'FAILED') AND t.next_run_at <= now() AND t.attempt < t.max_attempts
          AND \(isNextInLine)
        ORDER BY t.created_at, t.task_id
        """

    /// Claims the oldest runnable tasks, at most one in a workspace. Call it in a transaction.
    ///
    /// Rows that another transaction has locked are skipped, never waited for. A unique violation says that somebody who holds
    /// no lock on the workspace made a task of it RUNNING at this moment: claim again.
    package static func claim(
        limit: Int, by holder: LeaseHolder, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [ClaimedTask] {
        let tasks = try connection.query(candidates(limit: limit)).map { row throws(PostgresError) in
            try row.value("task_id", as: String.self)
        }
        guard !tasks.isEmpty else { return [] }
        // A new statement sees what was committed before the locks were granted.
        return try connection.query(
            """
            WITH runnable AS (
                SELECT t.task_id, t.wsid, t.status FROM wvs.tasks t
                WHERE t.task_id = ANY(\(tasks)::text[]) AND \(unescaped: isNextInLine)
            ), fenced AS (
                UPDATE wvs.workspaces w SET fence_seq = w.fence_seq + 1 FROM runnable
                WHERE w.wsid = runnable.wsid RETURNING w.wsid, w.fence_seq
            )
            UPDATE wvs.tasks t
            SET status = 'RUNNING', attempt = t.attempt + 1, started_at = now(), progress = NULL, fence = fenced.fence_seq,
                lease_owner = \(holder.id), lease_expires_at = now() + \(Interval(holder.lease))::interval
            FROM runnable JOIN fenced USING (wsid) WHERE t.task_id = runnable.task_id
            RETURNING \(unescaped: columns), runnable.status AS previous_status
            """
        ).map(decodeClaimed)
    }

    /// How long until a task can be claimed: zero where one could be now, were it not for locks; else until the next failed one is
    /// due; nil if none waits.
    package static func timeToNextClaim(on connection: isolated PostgresConnection) throws(PostgresError) -> Duration? {
        let rows = try connection.pipeline([
            "SELECT EXISTS (\(unescaped: runnable) LIMIT 1)",
            """
            SELECT extract(epoch FROM next_run_at - clock_timestamp())::float8 FROM wvs.tasks
            WHERE status = 'FAILED' AND next_run_at > now() ORDER BY next_run_at LIMIT 1
            """,
        ])
        if try rows[0].first?.first(as: Bool.self) == true { return .zero }
        return try rows[1].first.map { row throws(PostgresError) in .seconds(max(0, try row.first(as: Double.self))) }
    }

    /// How many tasks wait, and for how long the oldest has.
    package static func backlog(on connection: isolated PostgresConnection) throws(PostgresError) -> Backlog {
        let row = try connection.query(
            """
            SELECT count(*) AS depth, coalesce(extract(epoch FROM now() - min(created_at)), 0)::float8 AS oldest
            FROM wvs.tasks WHERE status IN ('PENDING', 'FAILED')
            """
        ).first
        guard let row else { return Backlog(depth: 0, oldest: .zero) }
        let oldest = Duration.seconds(max(0, try row.value("oldest", as: Double.self)))
        return Backlog(depth: try row.value("depth"), oldest: oldest)
    }

    static func decodeClaimed(_ row: Row) throws(PostgresError) -> ClaimedTask {
        ClaimedTask(
            task: try decode(row), fence: try row.value("fence"), previousStatus: try row.value("previous_status"))
    }
}

package struct Backlog: Equatable, Sendable {
    package let depth: Int
    package let oldest: Duration
}

/// A duration as a parameter of type `interval`.
struct Interval: PostgresValue {
    let duration: Duration

    init(_ duration: Duration) { self.duration = duration }

    init?(postgresText: String?) { nil }

    var postgresText: String? {
        let (seconds, attoseconds) = duration.components
        return "\(seconds * 1_000_000 + attoseconds / 1_000_000_000_000) microseconds"
    }
}
