import ExecutorRPC
import Model
import Postgres
import Runtime
import RuntimeCore
import Store
import TestSupport
import Testing

@testable import Worker

@Suite struct LeaseTests {
    @Test func `a lost worker's attempt that had published is taken over and succeeds with its snapshot row`()
        async throws
    {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            let claim = try await rig.ghost(lease: .milliseconds(200)).claim(limit: 1)
            #expect(claim.tasks.map(\.task.taskID) == [id])
            let snapshotID = try #require(try await rig.task(id).params["snapshot_id"]?.string)
            rig.executor.publish(id, .example(for: .snapshotCreate(snapshotID: snapshotID, message: "m")))
            let metrics = MetricsRegistry()
            try await rig.running(try rig.makeEngine(metrics: metrics)) {
                let task = try await rig.wait(for: id, .succeeded)
                #expect(task.attempt == 1)
                #expect(task.fence == 2)
                #expect(try await rig.snapshot(snapshotID) != nil)
                #expect(rig.executor.calls(.execute, of: id).isEmpty)
                #expect(metrics.render().contains("wvs_reaped_total 1\n"))
            }
        }
    }

    @Test func `a lost worker's attempt that had not published is failed and repeated`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            _ = try await rig.ghost(lease: .milliseconds(200)).claim(limit: 1)
            try await rig.running(try rig.makeEngine()) {
                let task = try await rig.wait(for: id, .succeeded)
                #expect(task.attempt == 2)
                #expect(try await rig.auditedStates(of: id) == ["RUNNING", "FAILED", "RUNNING", "SUCCEEDED"])
            }
        }
    }

    @Test func `a worker without its sign of life is not waited for until the lease ends`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            _ = try await rig.ghost(lease: .seconds(3600)).claim(limit: 1)
            try await rig.running(try rig.makeEngine()) { try await rig.wait(for: id, .succeeded) }
        }
    }

    @Test func `what a lost worker wrote late finds another owner`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            let ghost = rig.ghost(lease: .milliseconds(1))
            let claimed = try #require(try await ghost.claim(limit: 1).tasks.first)
            let owned = TaskFence(taskID: id, fence: claimed.fence)
            try await rig.running(try rig.makeEngine()) { try await rig.wait(for: id, .succeeded) }
            let before = try await rig.task(id)
            let late = Verdict.failed(
                TaskError(code: "WVS_EXECUTOR_ERROR", message: "late", retryable: true, attempt: 1))
            #expect(try await ghost.finish(owned, late, in: "ws-1") == nil)
            #expect(try await ghost.raiseFence(of: owned, above: 0) == nil)
            #expect(try await ghost.renew([owned]).isEmpty)
            #expect(try await rig.task(id) == before)
        }
    }

    @Test func `a fence that was raised by a commit whose answer got lost is the worker's own`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            _ = try await rig.enqueueSnapshot()
            let worker = rig.ghost(lease: .seconds(60))
            let claimed = try #require(try await worker.claim(limit: 1).tasks.first)
            let owned = TaskFence(taskID: claimed.task.taskID, fence: claimed.fence)
            let unsure = Mutex<Int64?>(nil)
            let raised = try await worker.raiseFence(of: owned, above: 0, unsure: unsure)
            #expect(raised == 2)
            // It heard nothing of that, and asks again.
            #expect(try await worker.raiseFence(of: owned, above: 0, unsure: unsure) == raised)
            #expect(try await worker.raiseFence(of: owned, above: 0) == nil)
            // Another worker has the task by now, under the number that a transaction rolled back had.
            _ = try await rig.pool.query("UPDATE wvs.tasks SET lease_owner = 'another'")
            #expect(try await worker.raiseFence(of: owned, above: 0, unsure: unsure) == nil)
        }
    }

    @Test func `a long task keeps its lease`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .publishWhenReleased)
            let other = try rig.makeEngine()
            let otherRun = Task { try await other.run() }
            try await rig.running(try rig.makeEngine()) {
                try await eventually("it runs") { rig.executor.calls.count == 1 }
                let first = try await rig.leaseEnd(of: id)
                try await eventually("the lease was renewed past its first end") {
                    guard let first, let now = try await rig.leaseEnd(of: id) else { return false }
                    return now.microseconds - first.microseconds > 3_500_000
                }
                rig.executor.release()
                let task = try await rig.wait(for: id, .succeeded)
                #expect(task.attempt == 1)
                #expect(rig.executor.calls.count == 1)
            }
            other.shutdown()
            try await otherRun.value
        }
    }

    @Test func `a worker cut off from the database cancels its calls before the lease ends`() async throws {
        try await Rig.withServer { rig, server in
            try await rig.addWorkspace()
            var options = Rig.options
            options.lease = .seconds(2)
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .hang)
            try await rig.running(try rig.makeEngine(options)) {
                try await eventually("it runs") { rig.executor.running == 1 }
                try await server.stop()
                let start = MonotonicTime.now
                try await eventually("the call was cancelled") { rig.executor.running == 0 }
                #expect(.now - start < .seconds(2))
                try await server.start()
                try await rig.reconnected()
                // Nobody renewed: it is taken over, by this very worker, and repeated.
                let task = try await rig.wait(for: id, .succeeded)
                #expect(task.attempt == 2)
            }
        }
    }

    @Test func `a restart of PostgreSQL does not reap the living`() async throws {
        try await Rig.withServer { rig, server in
            try await rig.addWorkspace()
            var options = Rig.options
            options.lease = .seconds(12)
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .publishWhenReleased)
            let metrics = MetricsRegistry()
            let engine = try rig.makeEngine(options)
            let run = Task { try await engine.run() }
            try await eventually("it runs") { rig.executor.running == 1 }
            let other = try rig.makeEngine(options, metrics: metrics)
            try await rig.running(other) {
                try await server.stop()
                try await server.start()
                // Longer than a dead worker would get.
                let back = MonotonicTime.now
                try await eventually("the reaper had its chance") { .now - back > .milliseconds(7500) }
                #expect(metrics.render().contains("wvs_reaped_total 0\n"))
                rig.executor.release()
                try await rig.reconnected()
                let task = try await rig.wait(for: id, .succeeded)
                #expect(task.attempt == 1)
                #expect(task.fence == 1)
            }
            engine.shutdown()
            try await run.value
        }
    }

    @Test func `a shutdown finishes what runs`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            let next = try await rig.enqueueSnapshot()
            rig.executor.script(id, .publishWhenReleased)
            let engine = try rig.makeEngine()
            let run = Task { try await engine.run() }
            try await eventually("it runs") { rig.executor.running == 1 }
            engine.shutdown()
            rig.executor.release()
            try await run.value
            #expect(try await rig.task(id).status == .succeeded)
            #expect(try await rig.task(next).status == .pending)
        }
    }

    @Test func `a shutdown hands back what does not end in time, and another worker takes it over at once`()
        async throws
    {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .hang)
            var options = Rig.options
            options.drainTimeout = .milliseconds(50)
            options.lease = .seconds(60)
            let engine = try rig.makeEngine(options)
            let run = Task { try await engine.run() }
            try await eventually("it runs") { rig.executor.running == 1 }
            engine.shutdown()
            try await run.value
            #expect(try await rig.task(id).status == .running)
            #expect(try #require(try await rig.leaseEnd(of: id)) <= .now)
            try await rig.running(try rig.makeEngine()) {
                let task = try await rig.wait(for: id, .succeeded)
                #expect(task.attempt == 2)
            }
        }
    }
}
