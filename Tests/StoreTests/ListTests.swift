import Model
import Postgres
import RuntimeCore
import Store
import TestSupport
import Testing

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

    @Test(arguments: ["workspaces", "snapshots", "tasks"])
    func `every list is read from an index in its order`(table: String) async throws {
        try await Fixture.with { fixture in
            let plans = try await fixture.on { connection in
                try connection.script("SET enable_seqscan = off")
                let key = table == "workspaces" ? "wsid" : table == "snapshots" ? "snapshot_id" : "task_id"
                let filter = table == "snapshots" ? "wsid = 'ws-1' AND deleted_at IS NULL AND " : ""
                return try connection.query(
                    """
                    EXPLAIN SELECT * FROM wvs.\(unescaped: table)
                    WHERE \(unescaped: filter)(created_at, \(unescaped: key)) < (now(), 'x')
                    ORDER BY created_at DESC, \(unescaped: key) DESC LIMIT 20
                    """
                ).map { try $0.first(as: String.self) }
            }
            #expect(plans.contains { $0.contains("Index Scan Backward using idx_\(table)_list") })
            #expect(!plans.contains { $0.contains("Sort") })
        }
    }
}
