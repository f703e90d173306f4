private import Dispatch
import Model
import Postgres
import RuntimeCore
import TestSupport
import Testing

@testable import Store

@Suite struct QueueTests {
    @Test func `a claim skips a workspace that somebody holds, without waiting`() async throws {
        try await Fixture.with { fixture in
            for wsid in ["ws-1", "ws-2"] {
                try await fixture.addWorkspace(wsid)
                try await fixture.addTask(in: wsid)
            }
            // As a request that is being accepted holds it. The session stays in its transaction.
            let other = PostgresPool(
                dsn: fixture.dsn, size: 1, logger: Logger(level: .error))
            let (holds, held) = AsyncStream.makeStream(of: Void.self)
            let done = DispatchSemaphore(value: 0)
            let holder = Task {
                try await other.transaction { connection in
                    _ = try Workspaces.lock("ws-1", .share, on: connection)
                    held.finish()
                    done.wait()
                }
            }
            for await _ in holds {}
            #expect(try await fixture.claim().map(\.task.wsid) == ["ws-2"])
            done.signal()
            try await holder.value
            await other.close()
            #expect(try await fixture.claim().map(\.task.wsid) == ["ws-1"])
        }
    }

    @Test func `a claim reads the backlog from its index, however long it is`() async throws {
        try await Fixture.with { fixture in
            try await fixture.pool.execute(
                """
                INSERT INTO wvs.workspaces (wsid, root_path, owner, current_path)
                SELECT 'ws-' || n, '/ws/ws-' || n, 'o', '/p' FROM generate_series(1, 3000) n
                """)
            try await fixture.pool.execute(
                """
                INSERT INTO wvs.tasks (task_id, wsid, op, idempotency_key, request_hash)
                SELECT 't-' || n, 'ws-' || 1 + n % 3000, 'snapshot_create', n::text, '' FROM generate_series(1, 30000) n
                """)
            try await fixture.pool.execute("ANALYZE wvs.tasks")
            let clock = ContinuousClock()
            var times: [Duration] = []
            for _ in 0..<50 {
                let start = clock.now
                #expect(try await fixture.claim(8).count == 8)
                times.append(clock.now - start)
            }
            times.sort()
            print("claim of 8 with 30000 pending: median \(times[25]), worst \(times[49])")
            let plan = try await fixture.plan(Tasks.candidates(limit: 8), "ANALYZE, COSTS OFF, TIMING OFF")
            #expect(plan.contains { $0.contains("Index Scan using idx_tasks_claim") }, "\(plan)")
            #expect(Self.rows(plan) < 1000, "\(plan)")
        }
    }

    @Test func `many tasks in one workspace keep no claim from those of others`() async throws {
        try await Fixture.with { fixture in
            try await fixture.pool.execute(
                """
                INSERT INTO wvs.workspaces (wsid, root_path, owner, current_path)
                SELECT 'ws-' || 100 + n, '/ws/ws-' || n, 'o', '/p' FROM generate_series(0, 40) n
                """)
            // The oldest, all in one; then one in each.
            try await fixture.pool.execute(
                """
                INSERT INTO wvs.tasks (task_id, wsid, op, idempotency_key, request_hash, created_at)
                SELECT 't-' || n, 'ws-' || CASE WHEN n <= 30000 THEN 120 ELSE 100 + n - 30001 END, 'snapshot_create', n::text,
                       '', now() + n * interval '1 ms'
                FROM generate_series(1, 30041) n
                """)
            try await fixture.pool.execute("ANALYZE wvs.tasks")
            for query in [
                Tasks.candidates(limit: 8), Tasks.candidates(limit: 8, besides: ["t-1"], behind: "ws-5"),
                Tasks.isAnyRunnable,
            ] {
                let plan = try await fixture.plan(query, "ANALYZE, COSTS OFF, TIMING OFF")
                #expect(Self.rows(plan) < 1000, "\(plan)")
            }
            var turn = ClaimTurn()
            var claimed: [String] = []
            for _ in 0..<5 {
                let start = turn
                let (tasks, next) = try await fixture.pool.transaction { connection in
                    var turn = start
                    let holder = LeaseHolder(id: "worker", lease: .seconds(60))
                    let tasks = try Tasks.claim(limit: 8, by: holder, turn: &turn, on: connection)
                    return (tasks, turn)
                }
                turn = next
                #expect(tasks.count == 8)
                claimed += tasks.map(\.task.wsid)
            }
            // Each in its turn, and the oldest first of all.
            #expect(Set(claimed).count == 40)
            #expect(claimed.prefix(8).contains("ws-120"))
            #expect(try await fixture.claim().map(\.task.wsid).count == 1)
            #expect(try await fixture.claim().isEmpty)
        }
    }

    /// How many rows a plan's nodes have looked at.
    private static func rows(_ plan: [String]) -> Int {
        func number(_ name: String, _ line: String) -> Int {
            guard let range = line.firstRange(of: name) else { return 0 }
            return Int(line[range.upperBound...].prefix { $0.isNumber }) ?? 0
        }
        return plan.reduce(0) { sum, line in
            let loops = number("loops=", line)
            return sum + loops * max(1, number("rows=", line)) + number("Rows Removed by Filter: ", line)
        }
    }

    @Test func `what is to be purged is found by its index`() async throws {
        try await Fixture.with { fixture in
            try await fixture.pool.execute(
                """
                INSERT INTO wvs.workspaces (wsid, root_path, owner, current_path)
                SELECT 'ws-' || n, '/ws/ws-' || n, 'o', '/p' FROM generate_series(1, 20000) n
                """)
            try await fixture.pool.execute(
                """
                INSERT INTO wvs.snapshots (snapshot_id, wsid, fs_path, deleted_at, purged_at)
                SELECT 's-' || n, 'ws-' || 1 + n % 20000, '/s/' || n, now(), CASE WHEN n % 1000 = 0 THEN NULL ELSE now() END
                FROM generate_series(1, 30000) n
                """)
            try await fixture.pool.execute("ANALYZE")
            let plan = try await fixture.plan(Snapshots.unpurgedWorkspaces(limit: 8))
            #expect(plan.contains { $0.contains("idx_snapshots_unpurged") }, "\(plan)")
            #expect(plan.contains { $0.contains("workspaces_pkey") }, "\(plan)")
            #expect(!plan.contains { $0.contains("Seq Scan") }, "\(plan)")
        }
    }

    @Test func `a new fence needs the old one, and goes above what the executor knows`() async throws {
        try await Fixture.with { fixture in
            try await fixture.addWorkspace()
            try await fixture.addTask()
            let claimed = try #require(try await fixture.claim().first)
            let owned = TaskFence(taskID: claimed.task.taskID, fence: claimed.fence)
            func raise(_ owned: TaskFence, above floor: Int64) async throws -> Int64? {
                try await fixture.on { try Tasks.raiseFence(of: owned, above: floor, for: .seconds(9), on: $0) }
            }
            #expect(try await raise(owned, above: 0) == 2)
            #expect(try await raise(owned, above: 0) == nil)
            #expect(try await raise(TaskFence(taskID: owned.taskID, fence: 2), above: 70) == 71)
            #expect(try await fixture.on { try Workspaces.get("ws-1", on: $0) }?.fence == 71)
        }
    }

    @Test func `only a task whose lease has ended is taken over`() async throws {
        try await Fixture.with { fixture in
            for wsid in ["ws-1", "ws-2", "ws-3"] {
                try await fixture.addWorkspace(wsid)
                try await fixture.addTask(in: wsid)
            }
            _ = try await fixture.claim(1, by: "lost", lease: .microseconds(1))
            let abandoned = try #require(try await fixture.claim(1, by: "silent").first)
            _ = try await fixture.claim(1, by: "alive")
            let taken = try await fixture.pool.transaction { connection in
                try Tasks.takeOver(
                    limit: 8, abandoned: [TaskFence(taskID: abandoned.task.taskID, fence: abandoned.fence)],
                    by: LeaseHolder(id: "reaper", lease: .seconds(60)), on: connection)
            }
            #expect(Set(taken.map(\.task.wsid)) == ["ws-1", "ws-2"])
            #expect(taken.allSatisfy { $0.fence == 2 && $0.task.attempt == 1 })
        }
    }

    @Test func `a worker is silent exactly while no session holds its sign of life`() async throws {
        try await Fixture.with { fixture in
            try await fixture.addWorkspace()
            try await fixture.addTask()
            _ = try await fixture.claim(by: "worker")
            func silent() async throws -> Int {
                try await fixture.on { try Tasks.silent(besides: "reaper", on: $0) }.count
            }
            #expect(try await silent() == 1)
            try await fixture.on { connection in
                try Workers.holdSignOfLife(of: "worker", on: connection)
                #expect(try Tasks.silent(besides: "reaper", on: connection).isEmpty)
                _ = try connection.query("SELECT pg_advisory_unlock_all()")
            }
            #expect(try await silent() == 1)
            #expect(try await fixture.on { try Tasks.silent(besides: "worker", on: $0) }.isEmpty)
        }
    }

    @Test func `a purge waits while a task runs in the workspace`() async throws {
        try await Fixture.with { fixture in
            try await fixture.addWorkspace()
            try await fixture.addSnapshot("a")
            try await fixture.addSnapshot("b")
            for id in ["a", "b"] { try await fixture.on { try Snapshots.markDeleted(id, on: $0) } }
            try await fixture.addTask()
            let claimed = try #require(try await fixture.claim().first)
            func purges() async throws -> [Purge] {
                try await fixture.pool.transaction { try Snapshots.claimPurges(workspaces: 5, on: $0) }
            }
            #expect(try await purges().isEmpty)
            let owned = TaskFence(taskID: claimed.task.taskID, fence: claimed.fence)
            _ = try await fixture.on {
                try Tasks.finish(
                    AttemptEnd(owned: owned, status: .succeeded, result: nil, error: nil, retryAfter: nil), on: $0)
            }
            let found = try await purges()
            #expect(Set(found.map(\.snapshot.snapshotID)) == ["a", "b"])
            #expect(found.allSatisfy { $0.fence == 2 })
            for id in ["a", "b"] { try await fixture.on { try Snapshots.markPurged(id, on: $0) } }
            #expect(try await purges().isEmpty)
        }
    }
}
