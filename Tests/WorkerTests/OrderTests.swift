import Model
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
            var options = Rig.options
            options.pollInterval = .seconds(60)
            options.idleBackoff = .seconds(60)
            var ids: [String] = []
            for _ in 0..<20 { ids.append(try await rig.enqueueSnapshot()) }
            try await rig.running(try rig.makeEngine(options)) {
                for id in ids { try await rig.wait(for: id, .succeeded) }
                #expect(rig.executor.calls.map(\.taskID) == ids)
            }
        }
    }

    @Test func `several workers never run two tasks of a workspace at a time, and run each once`() async throws {
        try await Rig.with { rig in
            let workspaces = (0..<6).map { "ws-\($0)" }
            for wsid in workspaces { try await rig.addWorkspace(wsid) }
            var ids: [String] = []
            for round in 0..<10 {
                for wsid in workspaces {
                    let id = try await rig.enqueueSnapshot(in: wsid)
                    if round % 4 == 1 { rig.executor.script(id, .fail(.busy)) }
                    ids.append(id)
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
