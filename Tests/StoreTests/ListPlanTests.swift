import Model
import Postgres
import RuntimeCore
import TestSupport
import Testing

@testable import Store

/// Every list is newest first with a cursor over (created_at, id), and an index can give it in that order: no sort, no scan of a
/// whole table. (For a handful of rows the planner may sort all the same; here it may not.)
@Suite struct ListPlanTests {
    private static let middle = PageKey(createdAt: .now, id: "m")

    private static var lists: [(name: String, query: Query)] {
        let tasks = [
            TaskFilter(), TaskFilter(wsid: "ws-007"), TaskFilter(status: .dead), TaskFilter(status: .succeeded),
            TaskFilter(operation: .initWorkspace), TaskFilter(status: .succeeded, operation: .setCurrent),
            TaskFilter(wsid: "ws-007", operation: .setCurrent),
        ]
        let audit = [
            AuditFilter(), AuditFilter(wsid: "ws-007"), AuditFilter(action: .setCurrent),
        ]
        let lastEvent = AuditKey(timestamp: .now, eventID: 100)
        return [nil, middle].flatMap { key in
            [
                ("workspaces", Workspaces.page(after: key, limit: 21)),
                ("snapshots", Snapshots.page(of: "ws-007", after: key, limit: 21)),
            ] + tasks.map { ("tasks \($0)", Tasks.page($0, after: key, limit: 21)) }
                + audit.map { ("audit \($0)", Audit.page($0, after: key == nil ? nil : lastEvent, limit: 21)) }
        }
    }

    @Test func `every list comes from an index in its order`() async throws {
        try await Fixture.with { fixture in
            try await fixture.on { connection in try connection.script(Self.data) }
            for list in Self.lists {
                let plan = try await fixture.on { connection in
                    try connection.script("SET enable_sort = off; SET enable_incremental_sort = off")
                    return try connection.query("EXPLAIN \(list.query)").map { try $0.first(as: String.self) }
                }
                #expect(!plan.contains { $0.contains("Sort") || $0.contains("Seq Scan") }, "\(list.name)\n\(plan)")
            }
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
