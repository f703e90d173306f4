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

    @Test func `of a racing drop and set_current exactly one wins`() async throws {
        try await Rig.with { rig in
            try await rig.running(try rig.makeEngine()) {
                var dropsWon = 0
                for round in 0..<30 {
                    let wsid = "ws-\(round)"
                    try await rig.addWorkspace(wsid)
                    let snapshot = try await rig.addSnapshot(in: wsid)
                    async let drop = rig.acceptDrop(of: snapshot, in: wsid)
                    // Together with the drop's acceptance, after it, or while its mark is being made.
                    if round % 3 > 0 { _ = try await drop }
                    if round % 3 == 2, let id = try await drop { try await rig.wait(for: id, .running, .succeeded) }
                    let setID = try await rig.acceptSet(to: snapshot, in: wsid)
                    let dropID = try await drop
                    var won = 0
                    if let dropID, try await rig.wait(for: dropID, .succeeded, .dead).status == .succeeded {
                        won += 1
                        dropsWon += 1
                    }
                    if let setID, try await rig.wait(for: setID, .succeeded, .dead).status == .succeeded { won += 1 }
                    #expect(won == 1, "round \(round)")
                    let isDeleted = try #require(try await rig.snapshot(snapshot, in: wsid)).deletedAt != nil
                    let isCurrent = try await rig.workspace(wsid).currentSnapshotID == snapshot
                    #expect(isDeleted != isCurrent, "round \(round)")
                }
                // Else nothing raced.
                #expect((1..<30).contains(dropsWon))
                print("drop against set_current: \(dropsWon) of 30 drops won")
            }
        }
    }
}

extension Rig {
    /// As the API accepts a drop: nil where it refuses.
    func acceptDrop(of snapshotID: String, in wsid: String) async throws -> String? {
        try await accept(.dropping(snapshotID), in: wsid) { connection in
            guard let snapshot = try Snapshots.lock(snapshotID, of: wsid, .update, on: connection),
                snapshot.deletedAt == nil
            else { return false }
            return try Snapshots.use(of: snapshotID, in: wsid, on: connection) == nil
        }
    }

    /// As the API accepts a set_current.
    func acceptSet(to snapshotID: String, in wsid: String) async throws -> String? {
        try await accept(.setting(snapshotID), in: wsid) { connection in
            guard let snapshot = try Snapshots.lock(snapshotID, of: wsid, .share, on: connection) else { return false }
            return snapshot.deletedAt == nil
        }
    }

    private func accept(
        _ parameters: TaskParameters, in wsid: String,
        _ isAllowed: @escaping @Sendable (isolated PostgresConnection) throws -> Bool
    ) async throws -> String? {
        let id = UUIDv7.make()
        let isAccepted = try await pool.transaction { connection in
            _ = try Workspaces.lock(wsid, .share, on: connection)
            guard try isAllowed(connection) else { return false }
            _ = try Tasks.insert(
                NewTask(
                    taskID: id, wsid: wsid, parameters: parameters, idempotencyKey: id, requestHash: "", requestID: id),
                on: connection)
            return true
        }
        _ = try await pool.query("SELECT pg_notify('wvs_tasks', '')")
        return isAccepted ? id : nil
    }
}
