import Model
import TestSupport
import Testing

@testable import Worker

@Suite struct CancelTests {
    @Test func `a running task is canceled at once where nothing is published`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .hang)
            var options = Rig.options
            // The next renewal, which would tell too, is minutes away.
            options.lease = .seconds(3600)
            try await rig.running(try rig.makeEngine(options)) {
                try await eventually("it runs") { rig.executor.running == 1 }
                try await rig.requestCancel(id)
                let task = try await rig.wait(for: id, .canceled)
                #expect(task.error == nil)
                #expect(rig.executor.calls(.settle, of: id).count == 1)
            }
        }
    }

    @Test func `a renewal tells of a cancellation whose notification got lost`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .hang)
            try await rig.running(try rig.makeEngine()) {
                try await eventually("it runs") { rig.executor.running == 1 }
                _ = try await rig.pool.query("UPDATE wvs.tasks SET cancel_requested = true WHERE task_id = \(id)")
                try await rig.wait(for: id, .canceled)
            }
        }
    }

    @Test func `a cancellation after publication comes too late`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .publishAndHang)
            try await rig.running(try rig.makeEngine()) {
                try await eventually("it is published") { rig.executor.isPublished(id) }
                try await rig.requestCancel(id)
                let task = try await rig.wait(for: id, .succeeded)
                #expect(try await rig.snapshot(try #require(task.params["snapshot_id"]?.string)) != nil)
            }
        }
    }

    @Test func `a failed attempt of a task that is to be canceled is not repeated`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            _ = try await rig.ghost(lease: .milliseconds(100)).claim(limit: 1)
            _ = try await rig.pool.query("UPDATE wvs.tasks SET cancel_requested = true WHERE task_id = \(id)")
            try await rig.running(try rig.makeEngine()) {
                let task = try await rig.wait(for: id, .canceled)
                #expect(task.attempt == 1)
            }
        }
    }

    @Test func `a workspace whose initialisation is canceled is INIT_FAILED`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace(state: .provisioning)
            let id = try await rig.enqueue(.initWorkspace(liveID: "live-1", uid: nil, gid: nil))
            rig.executor.script(id, .hang)
            try await rig.running(try rig.makeEngine()) {
                try await eventually("it runs") { rig.executor.running == 1 }
                try await rig.requestCancel(id)
                try await rig.wait(for: id, .canceled)
                #expect(try await rig.workspace().state == .initFailed)
            }
        }
    }
}
