import Model
import Postgres
import Runtime
import RuntimeCore
import Store
import TestSupport
import Testing

@testable import Worker

@Suite struct OrderTests {
    @Test func `tasks of a workspace run in the order of acceptance, also across retries`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let snapshot = try await rig.addSnapshot()
            let first = try await rig.enqueueSnapshot()
            rig.executor.script(first, .fail(.busy), .fail(.busy))
            // The rollback that the snapshot was to protect from.
            let second = try await rig.enqueue(.setting(snapshot))
            let third = try await rig.enqueueSnapshot()
            try await rig.running(try rig.makeEngine()) {
                try await rig.wait(for: third, .succeeded)
                let order = rig.executor.calls.map(\.taskID)
                #expect(order == [first, first, first, second, third])
                #expect(try await rig.task(first).attempt == 3)
                #expect(
                    try await rig.auditedStates(of: first) == [
                        "RUNNING", "FAILED", "RUNNING", "FAILED", "RUNNING", "SUCCEEDED",
                    ])
            }
        }
    }

    @Test func `a successor in the same workspace starts at once, without waiting for a poll`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            var ids: [String] = []
            for _ in 0..<20 { ids.append(try await rig.enqueueSnapshot()) }
            try await rig.running(try rig.makeEngine(Self.sleepy)) {
                for id in ids { try await rig.wait(for: id, .succeeded) }
                #expect(rig.executor.calls.map(\.taskID) == ids)
            }
        }
    }

    @Test func `a task that a claim skipped for a lock starts when the lock is gone, without waiting for a poll`()
        async throws
    {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            let metrics = MetricsRegistry()
            let (locked, locks) = AsyncStream.makeStream(of: Void.self)
            let release = Mutex(false)
            // As a replay, or a write that is refused, locks the workspace and tells nobody.
            let reader = Task {
                try await rig.pool.transaction { connection in
                    _ = try Workspaces.lock("ws-1", .share, on: connection)
                    locks.finish()
                    while !release.withLock({ $0 }) { try connection.script("SELECT pg_sleep(0.005)") }
                }
            }
            for await _ in locked {}
            defer { release.withLock { $0 = true } }
            try await rig.running(try rig.makeEngine(Self.sleepy, metrics: metrics)) {
                // More looks than its start explains.
                try await eventually("it looks again", within: .seconds(30)) { Self.emptyLooks(metrics) > 8 }
                #expect(try await rig.task(id).status == .pending)
                release.withLock { $0 = true }
                try await reader.value
                try await rig.wait(for: id, .succeeded)
            }
        }
    }

    @Test func `the successor of a task that ended in a worker that drains is another worker's at once`() async throws {
        try await Rig.with { rig in
            for wsid in ["ws-1", "ws-2"] { try await rig.addWorkspace(wsid) }
            var options = Self.sleepy
            options.drainTimeout = .seconds(600)
            let (first, lasting) = (try await rig.enqueueSnapshot(), try await rig.enqueueSnapshot(in: "ws-2"))
            rig.executor.script(first, .publishWhenReleased)
            rig.executor.script(lasting, .hang)
            let ending = try rig.makeEngine(options)
            let run = Task { try await ending.run() }
            try await eventually("both run") { rig.executor.running == 2 }
            let metrics = MetricsRegistry()
            try await rig.running(try rig.makeEngine(options, metrics: metrics)) {
                let successor = try await rig.enqueueSnapshot()
                try await Self.asleep(metrics)
                ending.shutdown()
                rig.executor.release()
                try await rig.wait(for: successor, .succeeded)
                #expect(try await rig.task(lasting).status == .running)
            }
            try await rig.requestCancel(lasting)
            try await run.value
        }
    }

    @Test func `the successor of a task whose worker has taken another one is a sleeping worker's at once`()
        async throws
    {
        try await Rig.with { rig in
            for wsid in ["ws-1", "ws-2"] { try await rig.addWorkspace(wsid) }
            var options = Self.sleepy
            options.concurrency = 1
            let first = try await rig.enqueueSnapshot()
            rig.executor.script(first, .publishWhenReleased)
            let full = try rig.makeEngine(options)
            let run = Task { try await full.run() }
            try await eventually("it runs") { rig.executor.running == 1 }
            let other = try await rig.enqueueSnapshot(in: "ws-2")
            rig.executor.script(other, .hang)
            _ = try await rig.pool.query("UPDATE wvs.tasks SET next_run_at = 'infinity' WHERE task_id = \(other)")
            let metrics = MetricsRegistry()
            try await rig.running(try rig.makeEngine(options, metrics: metrics)) {
                let successor = try await rig.enqueueSnapshot()
                try await Self.asleep(metrics)
                // Nobody is told; the worker that has just ended its task finds the older one first.
                _ = try await rig.pool.query("UPDATE wvs.tasks SET next_run_at = now() WHERE task_id = \(other)")
                rig.executor.release()
                try await rig.wait(for: successor, .succeeded)
                #expect(try await rig.task(other).status == .running)
                try await rig.requestCancel(other)
            }
            full.shutdown()
            try await run.value
        }
    }

    /// Nothing is found by polling.
    private static var sleepy: EngineOptions {
        var options = Rig.options
        options.pollInterval = .seconds(600)
        options.idleBackoff = .seconds(600)
        // Nothing is repeated because a busy machine renewed late.
        options.lease = .seconds(600)
        return options
    }

    /// Waits until a worker has looked at the queue for all that it was told, and sleeps.
    private static func asleep(_ metrics: MetricsRegistry) async throws {
        var last = (looks: 0, since: MonotonicTime.now)
        try await eventually("it sleeps", within: .seconds(30)) {
            let looks = emptyLooks(metrics)
            if looks != last.looks { last = (looks, .now) }
            return looks > 0 && .now - last.since > .milliseconds(500)
        }
    }

    private static func emptyLooks(_ metrics: MetricsRegistry) -> Int {
        let name = "wvs_dequeue_empty_total "
        let line = metrics.render().split(separator: "\n").first { $0.hasPrefix(name) }
        return line.flatMap { Int($0.dropFirst(name.count)) } ?? 0
    }

    @Test func `several workers never run two tasks of a workspace at a time, and run each once`() async throws {
        try await Rig.with { rig in
            let workspaces = (0..<6).map { "ws-\($0)" }
            for wsid in workspaces { try await rig.addWorkspace(wsid) }
            var ids: [String] = []
            var accepted: [String: [String]] = [:]
            for round in 0..<10 {
                for wsid in workspaces {
                    let id = try await rig.enqueueSnapshot(in: wsid)
                    if round % 4 == 1 { rig.executor.script(id, .fail(.busy)) }
                    ids.append(id)
                    accepted[wsid, default: []].append(id)
                }
            }
            let engines = try (0..<3).map { _ in try rig.makeEngine() }
            let runs = engines.map { engine in Task { try await engine.run() } }
            for id in ids { try await rig.wait(for: id, .succeeded) }
            engines.forEach { $0.shutdown() }
            for run in runs { try await run.value }

            #expect(rig.executor.mostRunningInOneWorkspace == 1)
            for wsid in workspaces {
                let calls = rig.executor.calls.filter { $0.wsid == wsid }
                #expect(zip(calls, calls.dropFirst()).allSatisfy { $0.fence < $1.fence })
                let order = calls.reduce(into: [String]()) { order, call in
                    if order.last != call.taskID { order.append(call.taskID) }
                }
                #expect(order == accepted[wsid])
            }
            for id in ids { #expect(try await rig.task(id).attempt == rig.executor.calls(.execute, of: id).count) }
        }
    }

    @Test func `a claim takes one task of a workspace and gives it a new fence`() async throws {
        try await Rig.with { rig in
            for wsid in ["ws-1", "ws-2"] { try await rig.addWorkspace(wsid) }
            let first = try await rig.enqueueSnapshot(in: "ws-1")
            _ = try await rig.enqueueSnapshot(in: "ws-1")
            let other = try await rig.enqueueSnapshot(in: "ws-2")
            let ledger = rig.ghost(lease: .seconds(60))
            let claim = try await ledger.claim(limit: 8)
            #expect(claim.tasks.map(\.task.taskID) == [first, other])
            #expect(claim.tasks.map(\.fence) == [1, 1])
            #expect(try await rig.workspace("ws-1").fence == 1)
            #expect(try await ledger.claim(limit: 8).tasks.isEmpty)
        }
    }

    @Test func `a task that became visible late waits for the later one that runs`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let early = try await rig.enqueueSnapshot()
            _ = try await rig.pool.query(
                "UPDATE wvs.tasks SET created_at = created_at - interval '1 minute', next_run_at = 'infinity'")
            let late = try await rig.enqueueSnapshot()
            // As if `early` had not been committed yet when `late` was claimed.
            _ = try await rig.pool.query("UPDATE wvs.tasks SET status = 'RUNNING', fence = 0 WHERE task_id = \(late)")
            _ = try await rig.pool.query("UPDATE wvs.tasks SET next_run_at = now() WHERE task_id = \(early)")
            #expect(try await rig.ghost(lease: .seconds(60)).claim(limit: 8).tasks.isEmpty)
        }
    }

    @Test func `concurrent claims share the backlog without conflict`() async throws {
        try await Rig.with { rig in
            for number in 0..<40 {
                try await rig.addWorkspace("ws-\(number)")
                _ = try await rig.enqueueSnapshot(in: "ws-\(number)")
            }
            let claimed = try await withThrowingTaskGroup(of: [String].self) { group in
                for _ in 0..<8 {
                    group.addTask {
                        let ledger = rig.ghost(lease: .seconds(60))
                        var mine: [String] = []
                        for _ in 0..<10 { mine += try await ledger.claim(limit: 3).tasks.map(\.task.taskID) }
                        return mine
                    }
                }
                return try await group.reduce(into: []) { $0 += $1 }
            }
            #expect(claimed.count == 40)
            #expect(Set(claimed).count == 40)
        }
    }
}
