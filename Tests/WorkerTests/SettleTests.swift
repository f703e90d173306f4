import ExecutorRPC
import Model
import RuntimeCore
import TestSupport
import Testing

@testable import Worker

@Suite struct SettleTests {
    @Test func `an attempt that published before its deadline passed has succeeded`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot(timeout: 1)
            rig.executor.script(id, .publishAndHang)
            try await rig.running(try rig.makeEngine()) {
                let task = try await rig.wait(for: id, .succeeded)
                #expect(task.attempt == 1)
                #expect(try await rig.snapshot(try #require(task.params["snapshot_id"]?.string)) != nil)
                let settle = try #require(rig.executor.calls(.settle, of: id).first)
                let execute = try #require(rig.executor.calls(.execute, of: id).first)
                #expect(settle.fence > execute.fence)
            }
        }
    }

    @Test func `an attempt whose deadline passed in vain is repeated`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot(timeout: 1)
            rig.executor.script(id, .hang)
            var options = Rig.options
            options.retry = Backoff(base: .seconds(60))
            try await rig.running(try rig.makeEngine(options)) {
                let task = try await rig.wait(for: id, .failed)
                #expect(task.error?.code == "WVS_EXECUTOR_TIMEOUT")
                #expect(rig.executor.calls(.settle, of: id).count == 1)
            }
        }
    }

    @Test func `while no executor can settle, the task runs and nothing overtakes it`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            let next = try await rig.enqueueSnapshot()
            rig.executor.script(id, .refuse(.internal))
            let unsure = SettleOutcome.failure(.busy)
            rig.executor.scriptSettle(id, unsure, unsure, unsure, unsure, unsure)
            try await rig.running(try rig.makeEngine()) {
                try await eventually("it is settled repeatedly") { rig.executor.calls(.settle, of: id).count >= 4 }
                #expect(rig.executor.calls(.execute, of: next).isEmpty)
                try await rig.wait(for: id, .succeeded)
                try await rig.wait(for: next, .succeeded)
                #expect(rig.executor.calls(.settle, of: id).count == 6)
                #expect(try await rig.task(id).attempt == 2)
            }
        }
    }

    @Test func `a database behind the executor raises its fence and goes on`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            rig.executor.knowFence(500, of: "ws-1")
            let id = try await rig.enqueueSnapshot()
            try await rig.running(try rig.makeEngine()) {
                let task = try await rig.wait(for: id, .succeeded)
                #expect(task.attempt == 1)
                #expect(task.fence == 501)
                #expect(rig.executor.calls(.execute, of: id).map(\.fence) == [1, 501])
                #expect(try await rig.workspace().fence == 501)
            }
        }
    }

    @Test func `where the first executor is down the next one takes the work, within the same attempt`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            // Nobody listens there. Whichever is first for this workspace, one of several is tried in vain.
            let down = "127.0.0.1:1"
            for number in 0..<6 { try await rig.addWorkspace("ws-a\(number)") }
            try await rig.running(try rig.makeEngine(addresses: [down] + rig.addresses)) {
                for number in 0..<6 {
                    let id = try await rig.enqueueSnapshot(in: "ws-a\(number)")
                    let task = try await rig.wait(for: id, .succeeded)
                    #expect(task.attempt == 1)
                }
            }
        }
    }

    @Test func `the progress of a long task can be read`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .publishWhenReleased)
            rig.executor.report(Progress(phase: .cloning, entries: 42, entriesTotal: 100, frozen: true), of: id)
            try await rig.running(try rig.makeEngine()) {
                try await eventually("progress is stored") {
                    try await rig.task(id).progress?["entries"]?.integer == 42
                }
                #expect(try await rig.task(id).progress?["phase"]?.string == "cloning")
                rig.executor.release()
                let task = try await rig.wait(for: id, .succeeded)
                #expect(task.progress == nil)
            }
        }
    }
}
