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
        let pages: [(Query, index: String)] = [
            (Workspaces.page(after: key, limit: 20), "idx_workspaces_list"),
            (Snapshots.page(of: "ws-1", after: key, limit: 20), "idx_snapshots_list"),
            (Tasks.page(TaskFilter(), after: key, limit: 20), "idx_tasks_list"),
            (Tasks.page(TaskFilter(wsid: "ws-1"), after: key, limit: 20), "idx_tasks_list_wsid"),
            (Tasks.page(TaskFilter(status: .dead), after: key, limit: 20), "idx_tasks_list_status"),
            (Tasks.page(TaskFilter(operation: .setCurrent), after: key, limit: 20), "idx_tasks_list_op"),
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
}
