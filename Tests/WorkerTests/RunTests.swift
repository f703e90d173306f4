import Model
import RuntimeCore
import TestSupport
import Testing

@testable import Worker

@Suite struct RunTests {
    @Test func `a snapshot ends with its row, its result and an audit row for start and end`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            try await rig.running(try rig.makeEngine()) {
                let id = try await rig.enqueueSnapshot()
                let task = try await rig.wait(for: id, .succeeded)
                let snapshotID = try #require(task.params["snapshot_id"]?.string)
                #expect(task.result?["fs_path"]?.string == "/ws/ws-1/snapshots/\(snapshotID)")
                #expect(task.result?["receipt"]?["acknowledgements"]?.array?.first?["held"]?.bool == true)
                #expect(task.attempt == 1)
                #expect(task.endedAt != nil)
                let snapshot = try #require(try await rig.snapshot(snapshotID))
                #expect(snapshot.message == "m")
                #expect(snapshot.fsPath == "/ws/ws-1/snapshots/\(snapshotID)")
                #expect(try await rig.auditedStates(of: id) == ["RUNNING", "SUCCEEDED"])
            }
        }
    }

    @Test func `set_current writes snapshot and path with its end`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let snapshot = try await rig.addSnapshot()
            try await rig.running(try rig.makeEngine()) {
                let id = try await rig.enqueue(.setting(snapshot))
                let task = try await rig.wait(for: id, .succeeded)
                let workspace = try await rig.workspace()
                #expect(workspace.currentSnapshotID == snapshot)
                #expect(workspace.currentPath == task.result?["current_path"]?.string)
                #expect(workspace.currentPath.hasPrefix("/ws/ws-1/live/"))
            }
        }
    }

    @Test func `an initialised workspace is active`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace(state: .provisioning)
            try await rig.running(try rig.makeEngine()) {
                let id = try await rig.enqueue(.initWorkspace(liveID: "live-1", uid: 7, gid: 8))
                try await rig.wait(for: id, .succeeded)
                #expect(try await rig.workspace().state == .active)
                #expect(try await rig.workspace().currentPath == "/ws/ws-1/live/live-1")
            }
        }
    }

    @Test func `an idle worker starts a task within milliseconds of the notification`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            var options = Rig.options
            // Only a notification can be this fast.
            options.pollInterval = .seconds(30)
            options.idleBackoff = .seconds(30)
            try await rig.running(try rig.makeEngine(options)) {
                try await rig.wait(for: try await rig.enqueueSnapshot(), .succeeded)
                var latencies: [Double] = []
                for _ in 0..<40 {
                    let task = try await rig.wait(for: try await rig.enqueueSnapshot(), .succeeded)
                    let started = try #require(task.startedAt)
                    latencies.append(Double(started.microseconds - task.createdAt.microseconds) / 1000)
                }
                latencies.sort()
                print("claim after enqueue, idle worker: median \(latencies[20]) ms, worst \(latencies[39]) ms")
                #expect(latencies[20] < 100)
            }
        }
    }
}
