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

/// Where a worker's claims go on among the workspaces when the oldest tasks are not to be had.
package struct ClaimTurn: Equatable, Sendable {
    /// So many claims go by turn after one that found nothing better; then the oldest are looked at again.
    static let claims = 16

    /// The last workspace that was gone to.
    package var wsid = ""
    /// How many claims more do not look at the oldest first.
    var left = 0

    package init() {}
}

extension Tasks {
    /// Whether task `t` is the first unfinished one of its workspace. A scalar subquery: an anti-join would be planned as a scan of
    /// the whole backlog.
    private static let isFirst = """
        t.task_id = (SELECT e.task_id FROM wvs.tasks e
                     WHERE e.wsid = t.wsid AND e.status IN ('PENDING', 'RUNNING', 'FAILED')
                     ORDER BY e.created_at, e.task_id LIMIT 1)
        """
    /// A task accepted by a slow transaction may become visible as the first while a later one runs already.
    private static let runsAlone =
        "NOT EXISTS (SELECT FROM wvs.tasks r WHERE r.wsid = t.wsid AND r.status = 'RUNNING')"
    private static let isDue =
        "t.status IN ('PENDING', 'FAILED') AND t.next_run_at <= now() AND t.attempt < t.max_attempts"
    private static let lock = "FOR UPDATE OF t SKIP LOCKED FOR NO KEY UPDATE OF w SKIP LOCKED"

    /// How many of the oldest waiting tasks are looked at for `limit` to be claimed: many in one workspace must not be gone
    /// through one by one.
    private static func horizon(_ limit: Int) -> Int { 16 + 2 * limit }

    /// Locks tasks and their workspaces, the oldest first, and says whether there are more beyond the horizon. Limits are part of
    /// the text: for a parameter PostgreSQL would plan as if a tenth of the backlog were wanted. A few more than wanted are
    /// joined and sorted, in place of those that somebody else has locked.
    static func candidates(limit: Int) -> Query {
        """
        WITH oldest AS MATERIALIZED (
            SELECT task_id, wsid, status, next_run_at, attempt, max_attempts FROM wvs.tasks
            WHERE status IN ('PENDING', 'FAILED')
            ORDER BY created_at, task_id LIMIT \(unescaped: String(horizon(limit)))
        ), head AS MATERIALIZED (
            SELECT t.task_id FROM oldest t WHERE \(unescaped: isDue) AND \(unescaped: isFirst)
            LIMIT \(unescaped: String(limit + 4))
        )
        SELECT t.task_id, (SELECT count(*) FROM oldest) = \(unescaped: String(horizon(limit))) AS has_more
        FROM head JOIN wvs.tasks t ON t.task_id = head.task_id JOIN wvs.workspaces w ON w.wsid = t.wsid
        WHERE \(unescaped: isDue) AND \(unescaped: runsAlone)
        ORDER BY t.created_at, t.task_id LIMIT \(unescaped: String(limit)) \(unescaped: lock)
        """
    }

    /// A table of a recursive query: the first unfinished task of each workspace behind `first`, in their order up to `last`; one step
    /// of an index for each.
    private static func heads(_ name: String, behind first: String, upTo last: String? = nil) -> Query {
        // Left out where there is none: an OR would not stop the last step at the bound.
        let bound: Query = last.map { "AND n.wsid <= \($0)::text" } ?? ""
        return """
            \(unescaped: name) AS (
                (SELECT n.wsid, n.task_id FROM wvs.tasks n
                 WHERE n.status IN ('PENDING', 'RUNNING', 'FAILED') AND n.wsid > \(first)::text \(bound)
                 ORDER BY n.wsid, n.created_at, n.task_id LIMIT 1)
                UNION ALL
                SELECT next.wsid, next.task_id FROM \(unescaped: name) CROSS JOIN LATERAL (
                    SELECT n.wsid, n.task_id FROM wvs.tasks n
                    WHERE n.status IN ('PENDING', 'RUNNING', 'FAILED') AND n.wsid > \(unescaped: name).wsid \(bound)
                    ORDER BY n.wsid, n.created_at, n.task_id LIMIT 1) next
            )
            """
    }

    /// Locks tasks besides `taken` and their workspaces, one workspace after the other: those behind `wsid` first, then those up to it.
    static func candidates(limit: Int, besides taken: [String], behind wsid: String) -> Query {
        """
        WITH RECURSIVE \(heads("behind", behind: wsid)), \(heads("before", behind: "", upTo: wsid))
        SELECT locked.* FROM (SELECT * FROM behind UNION ALL SELECT * FROM before) head
        -- One by one, and only until there are enough.
        CROSS JOIN LATERAL (
            SELECT t.task_id, t.wsid FROM wvs.tasks t JOIN wvs.workspaces w ON w.wsid = t.wsid
            WHERE t.task_id = head.task_id AND \(unescaped: isDue) AND \(unescaped: runsAlone)
              AND t.task_id <> ALL(\(taken)::text[])
            \(unescaped: lock)
        ) locked LIMIT \(unescaped: String(limit))
        """
    }

    /// Whether a task could be claimed if nobody held a lock.
    static let isAnyRunnable: Query = """
        WITH RECURSIVE \(heads("head", behind: ""))
        SELECT EXISTS (
            SELECT FROM head JOIN wvs.tasks t ON t.task_id = head.task_id
            WHERE \(unescaped: isDue) AND \(unescaped: runsAlone))
        """

    /// Claims the oldest runnable tasks, at most one in a workspace; where those that wait behind others of their workspace crowd
    /// the horizon, tasks of whatever workspace's turn it is. Call it in a transaction.
    ///
    /// Rows that another transaction has locked are skipped, never waited for. A unique violation says that somebody who holds
    /// no lock on the workspace made a task of it RUNNING at this moment: claim again.
    package static func claim(
        limit: Int, by holder: LeaseHolder, turn: inout ClaimTurn, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [ClaimedTask] {
        let tasks = try lockCandidates(limit: limit, turn: &turn, on: connection)
        guard !tasks.isEmpty else { return [] }
        // A new statement sees what was committed before the locks were granted.
        return try connection.query(
            """
            WITH runnable AS (
                SELECT t.task_id, t.wsid, t.status FROM wvs.tasks t
                WHERE t.task_id = ANY(\(tasks)::text[]) AND \(unescaped: isFirst) AND \(unescaped: runsAlone)
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

    private static func lockCandidates(
        limit: Int, turn: inout ClaimTurn, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [String] {
        if turn.left > 0 {
            turn.left -= 1
            return try lockByTurn(limit: limit, besides: [], turn: &turn, on: connection)
        }
        let rows = try connection.query(candidates(limit: limit))
        let oldest = try rows.map { row throws(PostgresError) in try row.value("task_id", as: String.self) }
        // Where nothing was found, nothing says whether there is more.
        let hasMore = try rows.first.map { row throws(PostgresError) in try row.value("has_more", as: Bool.self) }
        guard oldest.count < limit, hasMore ?? true else { return oldest }
        let others = try lockByTurn(limit: limit - oldest.count, besides: oldest, turn: &turn, on: connection)
        if !others.isEmpty { turn.left = ClaimTurn.claims }
        return oldest + others
    }

    /// Once around, from where the last claim ended.
    private static func lockByTurn(
        limit: Int, besides taken: [String], turn: inout ClaimTurn, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [String] {
        var tasks: [String] = []
        for row in try connection.query(candidates(limit: limit, besides: taken, behind: turn.wsid)) {
            turn.wsid = try row.value("wsid")
            tasks.append(try row.value("task_id"))
        }
        return tasks
    }

    /// How long until a task can be claimed: zero where one could be now, were it not for locks; else until the next failed one is
    /// due; nil if none waits.
    package static func timeToNextClaim(on connection: isolated PostgresConnection) throws(PostgresError) -> Duration? {
        let rows = try connection.pipeline([
            isAnyRunnable,
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
