import Model
import Postgres
import Runtime
import RuntimeCore
import Store
import TestSupport
import Testing

@testable import Worker

@Suite struct DropTests {
    @Test func `a dropped snapshot is marked, then deleted`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let snapshot = try await rig.addSnapshot()
            try await rig.running(try rig.makeEngine()) {
                try await rig.wait(for: try await rig.enqueue(.dropping(snapshot)), .succeeded)
                let row = try #require(try await rig.snapshot(snapshot))
                #expect(row.deletedAt != nil)
                #expect(row.purgedAt != nil)
            }
        }
    }

    @Test func `the current snapshot is not dropped`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let snapshot = try await rig.addSnapshot()
            try await rig.running(try rig.makeEngine()) {
                try await rig.wait(for: try await rig.enqueue(.setting(snapshot)), .succeeded)
                let drop = try await rig.enqueue(.dropping(snapshot))
                let task = try await rig.wait(for: drop, .dead)
                #expect(task.error?.code == "WVS_CONFLICT_SNAPSHOT_IN_USE")
                #expect(try #require(try await rig.snapshot(snapshot)).deletedAt == nil)
                #expect(rig.executor.calls(.execute, of: drop).isEmpty)
            }
        }
    }

    @Test func `a deletion that fails leaves the mark, and is repeated until it is done`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let snapshot = try await rig.addSnapshot()
            let metrics = MetricsRegistry()
            try await rig.running(try rig.makeEngine(metrics: metrics)) {
                let drop = try await rig.enqueue(.dropping(snapshot))
                rig.executor.script(drop, .fail(.busy))
                // Tasks go on meanwhile.
                try await rig.wait(for: drop, .succeeded)
                try await eventually("the directory is gone") { try await rig.snapshot(snapshot)?.purgedAt != nil }
                #expect(metrics.render().contains("wvs_snapshot_purge_failures_total 1\n"))
            }
        }
    }

    @Test func `a deletion that hangs does not delay a shutdown`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let snapshot = try await rig.addSnapshot()
            try await rig.pool.withConnection { try Snapshots.markDeleted(snapshot, on: $0) }
            rig.executor.scriptPurges(.hang)
            let engine = try rig.makeEngine()
            let run = Task { try await engine.run() }
            try await eventually("it hangs") { rig.executor.running == 1 }
            let start = MonotonicTime.now
            engine.shutdown()
            try await run.value
            // The call itself would last 300 s.
            #expect(.now - start < .seconds(30))
            try await eventually("the executor was told") { rig.executor.running == 0 }
            #expect(try await rig.snapshot(snapshot)?.purgedAt == nil)
        }
    }

    @Test func `a deletion goes on where the database is behind the executor's fence`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let snapshot = try await rig.addSnapshot()
            try await rig.pool.withConnection { try Snapshots.markDeleted(snapshot, on: $0) }
            rig.executor.knowFence(500, of: "ws-1")
            try await rig.running(try rig.makeEngine()) {
                try await eventually("the directory is gone") { try await rig.snapshot(snapshot)?.purgedAt != nil }
                #expect(try await rig.workspace().fence == 501)
            }
        }
    }

    @Test func `a drop whose worker was lost after the mark succeeds`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let snapshot = try await rig.addSnapshot()
            let drop = try await rig.enqueue(.dropping(snapshot))
            let ghost = rig.ghost(lease: .milliseconds(100))
            let claimed = try #require(try await ghost.claim(limit: 1).tasks.first)
            _ = try await ghost.markDropped(
                snapshot, for: TaskFence(taskID: drop, fence: claimed.fence), in: "ws-1")
            // Too late: it is marked.
            _ = try await rig.pool.query("UPDATE wvs.tasks SET cancel_requested = true WHERE task_id = \(drop)")
            try await rig.running(try rig.makeEngine()) {
                try await rig.wait(for: drop, .succeeded)
                #expect(try #require(try await rig.snapshot(snapshot)).purgedAt != nil)
            }
        }
    }

    @Test func `a drop that is to be canceled before the mark is canceled`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let snapshot = try await rig.addSnapshot()
            let drop = try await rig.enqueue(.dropping(snapshot))
            _ = try await rig.ghost(lease: .milliseconds(1)).claim(limit: 1)
            _ = try await rig.pool.query("UPDATE wvs.tasks SET cancel_requested = true WHERE task_id = \(drop)")
            try await rig.running(try rig.makeEngine()) {
                try await rig.wait(for: drop, .canceled)
                #expect(try #require(try await rig.snapshot(snapshot)).deletedAt == nil)
            }
        }
    }
}
