import Migrations
import Postgres
import TestSupport
import Testing

/// Every list is newest first with a cursor over (created_at, id), and an index can give it in that order: no sort, no scan of a
/// whole table. (For a handful of rows the planner may sort all the same; here it may not.)
@Suite struct ListPlanTests {
    private static let lists: [(table: String, condition: String, time: String, id: String)] = [
        ("workspaces", "true", "created_at", "wsid"),
        ("snapshots", "wsid = 'ws-007' AND deleted_at IS NULL", "created_at", "snapshot_id"),
        ("tasks", "true", "created_at", "task_id"),
        ("tasks", "wsid = 'ws-007'", "created_at", "task_id"),
        ("tasks", "status = 'DEAD'", "created_at", "task_id"),
        ("tasks", "status = 'SUCCEEDED'", "created_at", "task_id"),
        ("tasks", "op = 'init_workspace'", "created_at", "task_id"),
        ("tasks", "op = 'set_current' AND status = 'SUCCEEDED'", "created_at", "task_id"),
        ("tasks", "wsid = 'ws-007' AND op = 'set_current'", "created_at", "task_id"),
        ("audit", "true", "ts", "event_id"),
        ("audit", "wsid = 'ws-007'", "ts", "event_id"),
        ("audit", "action = 'workspace.set_current'", "ts", "event_id"),
    ]

    @Test func everyListComesFromAnIndexInItsOrder() async throws {
        let database = try await TestDatabase.make()
        let pool = PostgresPool(dsn: database.dsn, size: 1, logger: quiet)
        try await pool.withConnection { connection in
            try connection.script(ListPlanTests.data)
            try connection.script("SET enable_sort = off; SET enable_incremental_sort = off")
        }
        for list in ListPlanTests.lists {
            let id = list.table == "audit" ? "100" : "'m'"
            let plan = try await pool.query(
                """
                EXPLAIN SELECT * FROM wvs.\(unescaped: list.table)
                WHERE \(unescaped: list.condition) AND (\(unescaped: list.time), \(unescaped: list.id)) < (now(), \(unescaped: id))
                ORDER BY \(unescaped: list.time) DESC, \(unescaped: list.id) DESC LIMIT 21
                """
            ).map { try $0.first(as: String.self) }.joined(separator: "\n")
            #expect(!plan.contains("Sort"), "\(list.table) \(list.condition)\n\(plan)")
            #expect(!plan.contains("Seq Scan"), "\(list.table) \(list.condition)\n\(plan)")
        }
    }

    /// 200 workspaces, 5,000 snapshots, tasks and audit rows.
    private static let data = """
        INSERT INTO wvs.workspaces (wsid, root_path, owner, current_path, created_at)
        SELECT 'ws-' || to_char(n, 'FM000'), '/ws/' || n, 'me', '/ws/' || n || '/current', now() - n * interval '1 minute'
        FROM generate_series(0, 199) AS n;
        INSERT INTO wvs.snapshots (snapshot_id, wsid, fs_path, created_at)
        SELECT 'snap-' || n, 'ws-' || to_char(n % 200, 'FM000'), '/snap/' || n, now() - n * interval '1 second'
        FROM generate_series(1, 5000) AS n;
        INSERT INTO wvs.tasks (task_id, wsid, op, status, idempotency_key, request_hash, created_at)
        SELECT 'task-' || n, 'ws-' || to_char(n % 200, 'FM000'),
               CASE WHEN n % 100 = 0 THEN 'init_workspace' WHEN n % 3 = 0 THEN 'set_current' ELSE 'snapshot_create' END,
               CASE WHEN n % 500 = 0 THEN 'DEAD' WHEN n % 50 = 0 THEN 'PENDING' ELSE 'SUCCEEDED' END,
               n, '', now() - n * interval '1 second'
        FROM generate_series(1, 5000) AS n;
        INSERT INTO wvs.audit (ts, wsid, actor, action, task_id, payload)
        SELECT now() - n * interval '1 second', 'ws-' || to_char(n % 200, 'FM000'), '{}',
               CASE WHEN n % 40 = 0 THEN 'workspace.set_current' ELSE 'workspace.snapshot_create' END, 'task-' || n % 7000, '{}'
        FROM generate_series(1, 5000) AS n;
        ANALYZE wvs.workspaces, wvs.snapshots, wvs.tasks, wvs.audit
        """
}
