import Model
import RuntimeCore
import TestSupport
import Testing

@testable import Worker

@Suite struct RetryTests {
    @Test func `a task that keeps failing is dead after its last attempt`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot(maxAttempts: 3)
            rig.executor.script(id, .fail(.busy), .fail(.busy), .fail(.busy))
            try await rig.running(try rig.makeEngine()) {
                let task = try await rig.wait(for: id, .dead)
                #expect(task.attempt == 3)
                #expect(task.error?.code == "WVS_EXECUTOR_ERROR")
                #expect(task.error?.attempt == 3)
                #expect(task.error?.retryable == true)
                #expect(task.endedAt != nil)
            }
        }
    }

    @Test func `an attempt is repeated no earlier than its backoff says`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            var options = Rig.options
            options.retry = Backoff(base: .milliseconds(300), limit: .seconds(1))
            options.pollInterval = .seconds(60)
            options.idleBackoff = .seconds(60)
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .fail(.busy))
            try await rig.running(try rig.makeEngine(options)) {
                let failed = try await rig.wait(for: id, .failed)
                #expect(failed.endedAt == nil)
                // Not by a poll: those come once a minute here.
                let task = try await rig.wait(for: id, .succeeded)
                let started = try #require(task.startedAt)
                #expect(started >= failed.nextRunAt)
                #expect(started.microseconds - failed.nextRunAt.microseconds < 2_000_000)
            }
        }
    }

    @Test func `what cannot heal is dead after one attempt`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .fail(.hopeless))
            try await rig.running(try rig.makeEngine()) {
                let task = try await rig.wait(for: id, .dead)
                #expect(task.attempt == 1)
                #expect(task.error?.code == "WVS_NOT_FOUND")
                #expect(try await rig.auditedStates(of: id) == ["RUNNING", "DEAD"])
            }
        }
    }

    @Test func `an executor that calls the request invalid has done nothing, and is not asked again`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .refuse(.invalidArgument))
            try await rig.running(try rig.makeEngine()) {
                let task = try await rig.wait(for: id, .dead)
                #expect(task.error?.code == "WVS_BAD_REQUEST")
                #expect(rig.executor.calls(.settle, of: id).isEmpty)
            }
        }
    }

    @Test func `a workspace whose initialisation is dead is INIT_FAILED`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace(state: .provisioning)
            let id = try await rig.enqueue(.initWorkspace(liveID: "live-1", uid: nil, gid: nil))
            rig.executor.script(id, .fail(.hopeless))
            try await rig.running(try rig.makeEngine()) {
                try await rig.wait(for: id, .dead)
                #expect(try await rig.workspace().state == .initFailed)
            }
        }
    }
}
