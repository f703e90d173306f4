import Model
import Postgres
import RuntimeCore
import TestSupport
import Testing

@testable import Store

@Suite struct ListTests {
    @Test func `pages are newest first, and rows of one instant neither repeat nor vanish`() async throws {
        try await Fixture.with { fixture in
            try await fixture.addWorkspace()
            for number in 0..<17 { try await fixture.addSnapshot("s\(number)") }
            // Three instants for all.
            try await fixture.pool.execute(
                """
                UPDATE wvs.snapshots
                SET created_at = timestamptz '2026-01-01' + (length(snapshot_id) + ascii(right(snapshot_id, 1)) % 2) * interval '1 s'
                """)
            var seen: [Snapshot] = []
            while true {
                let key = seen.last.map { PageKey(createdAt: $0.createdAt, id: $0.snapshotID) }
                let page = try await fixture.on { try Snapshots.list(of: "ws-1", after: key, limit: 4, on: $0) }
                if page.isEmpty { break }
                seen += page
            }
            #expect(seen.count == 17)
            #expect(Set(seen.map(\.snapshotID)).count == 17)
            let keys = seen.map { ($0.createdAt, $0.snapshotID) }
            #expect(zip(keys, keys.dropFirst()).allSatisfy { $0 > $1 })
        }
    }

    @Test func `tasks are filtered by workspace, status and operation`() async throws {
        try await Fixture.with { fixture in
            for wsid in ["ws-1", "ws-2"] {
                try await fixture.addWorkspace(wsid)
                try await fixture.addTask(in: wsid)
                try await fixture.addTask(.snapshotDrop(snapshotID: "s"), in: wsid)
            }
            _ = try await fixture.claim(1)
            func count(_ filter: TaskFilter) async throws -> Int {
                try await fixture.on { try Tasks.list(filter, after: nil, limit: 100, on: $0) }.count
            }
            #expect(try await count(TaskFilter()) == 4)
            #expect(try await count(TaskFilter(wsid: "ws-1")) == 2)
            #expect(try await count(TaskFilter(status: .running)) == 1)
            #expect(try await count(TaskFilter(operation: .snapshotDrop)) == 2)
            #expect(try await count(TaskFilter(wsid: "ws-2", status: .pending, operation: .snapshotDrop)) == 1)
        }
    }

    @Test func `every list is read from an index in its order, without sorting`() async throws {
        let key = PageKey(createdAt: .now, id: "x")
        let end = AuditKey(timestamp: .now, eventID: 1)
        let pages: [(Query, index: String)] = [
            (Workspaces.page(after: key, limit: 20), "idx_workspaces_list"),
            (Snapshots.page(of: "ws-1", after: key, limit: 20), "idx_snapshots_list"),
            (Tasks.page(TaskFilter(), after: key, limit: 20), "idx_tasks_list"),
            (Tasks.page(TaskFilter(wsid: "ws-1"), after: key, limit: 20), "idx_tasks_list_wsid"),
            (Tasks.page(TaskFilter(status: .dead), after: key, limit: 20), "idx_tasks_list_status"),
            (Tasks.page(TaskFilter(operation: .setCurrent), after: key, limit: 20), "idx_tasks_list_op"),
            (Audit.page(AuditFilter(), after: end, limit: 20), "idx_audit_list"),
            (Audit.page(AuditFilter(wsid: "ws-1"), after: end, limit: 20), "idx_audit_list_wsid"),
            (Audit.page(AuditFilter(action: .taskCancel), after: end, limit: 20), "idx_audit_list_action"),
        ]
        try await Fixture.with { fixture in
            for (page, index) in pages {
                let plan = try await fixture.on { connection in
                    // The tables are empty: nothing else would be as cheap.
                    try connection.script(
                        "SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_sort = off")
                    return try connection.query("EXPLAIN \(page)").map { try $0.first(as: String.self) }
                }
                #expect(plan.contains { $0.contains("Index Scan Backward using \(index) ") }, "\(plan)")
                #expect(!plan.contains { $0.contains("Sort") }, "\(plan)")
            }
        }
    }

    @Test func `the audit of a task and a workspace's unfinished task are looked up in their own index`() async throws {
        let lookUps: [(Query, index: String)] = [
            (Audit.page(AuditFilter(taskID: "t"), after: nil, limit: 20), "idx_audit_task"),
            (Tasks.unfinished(in: "ws-1"), "idx_tasks_unfinished"),
        ]
        try await Fixture.with { fixture in
            for (lookUp, index) in lookUps {
                let plan = try await fixture.on { connection in
                    try connection.script("SET enable_seqscan = off; SET enable_bitmapscan = off")
                    return try connection.query("EXPLAIN \(lookUp)").map { try $0.first(as: String.self) }
                }
                #expect(plan.contains { $0.contains("using \(index) ") }, "\(plan)")
            }
        }
    }

    @Test func `the audit trail reads back newest first, by workspace, task and action`() async throws {
        try await Fixture.with { fixture in
            let actor = Actor.anonymous(address: "127.0.0.1")
            for (action, wsid, task) in [
                (AuditAction.workspaceCreate, "ws-1", "t-1"), (.snapshotCreate, "ws-1", "t-2"),
                (.workspaceCreate, "ws-2", "t-3"),
            ] {
                let event = AuditEvent(
                    action, by: actor, wsid: wsid, requestID: "r", taskID: task, after: ["status": "PENDING"])
                try await fixture.on { try Audit.insert(event, on: $0) }
            }
            func list(_ filter: AuditFilter, after key: AuditKey? = nil) async throws -> [AuditRecord] {
                try await fixture.on { try Audit.list(filter, after: key, limit: 2, on: $0) }
            }
            let first = try await list(AuditFilter())
            #expect(first.map(\.taskID) == ["t-3", "t-2"])
            #expect(first[0].action == "workspace.create" && first[0].wsid == "ws-2" && first[0].requestID == "r")
            #expect(first[0].actor == ["type": "anonymous", "addr": "127.0.0.1"])
            #expect(first[0].payload["after"] == ["status": "PENDING"])
            let key = AuditKey(timestamp: first[1].timestamp, eventID: first[1].eventID)
            #expect(try await list(AuditFilter(), after: key).map(\.taskID) == ["t-1"])
            #expect(try await list(AuditFilter(wsid: "ws-1")).map(\.taskID) == ["t-2", "t-1"])
            #expect(try await list(AuditFilter(taskID: "t-1")).map(\.taskID) == ["t-1"])
            #expect(try await list(AuditFilter(action: .snapshotCreate)).map(\.taskID) == ["t-2"])
        }
    }
}
