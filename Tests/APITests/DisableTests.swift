import JSON
import Model
import Runtime
import TestSupport
import Testing

@Suite struct DisableTests {
    private static let path = "/v1/workspaces/ws-1"

    @Test("disabling answers the workspace's state, again too, and is written down once")
    func disable() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let first = try await api.delete(Self.path, key: nil)
            #expect(first.status == 200)
            #expect(try first.json["state"] == "DISABLED")
            #expect(try first.json.object?.names == ["wsid", "state", "updated_at"])
            #expect(try await api.get(Self.path).json["updated_at"] == first.json["updated_at"])
            #expect(try await api.delete(Self.path, key: nil).body == first.body)
            #expect(try await api.count("SELECT count(*) FROM wvs.audit WHERE action = 'workspace.disable'") == 1)
            // Reading goes on.
            for path in [Self.path, "\(Self.path)/current", "\(Self.path)/snapshots", "/v1/tasks?wsid=ws-1"] {
                #expect(try await api.get(path).status == 200)
            }
            #expect(try await api.delete("/v1/workspaces/nobody", key: nil).refusal == "404 WVS_NOT_FOUND")
            #expect(try await api.delete("/v1/workspaces/A", key: nil).refusal == "400 WVS_BAD_REQUEST")
        }
    }

    @Test(
        "a workspace with a task that has not ended is not disabled",
        arguments: [TaskStatus.pending, .running, .failed])
    func unfinished(status: TaskStatus) async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let task = try await api.post("\(Self.path)/snapshots", nil, key: "k")
            try await api.pool.execute("UPDATE wvs.tasks SET status = \(status) WHERE op = 'snapshot_create'")
            let refused = try await api.delete(Self.path, key: nil)
            #expect(refused.refusal == "409 WVS_CONFLICT_LOCKED")
            #expect(try refused.json["task_id"] == task.json["task_id"])
            #expect(try await api.get(Self.path).json["state"] == "ACTIVE")
        }
    }

    @Test("retry-init needs INIT_FAILED")
    func retryInit() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            for (state, refusal) in [
                (WorkspaceState.active, "412 WVS_PRECONDITION_FAILED"),
                (.provisioning, "412 WVS_PRECONDITION_FAILED"), (.disabled, "410 WVS_GONE"),
            ] {
                try await api.setState(state)
                #expect(try await api.post("\(Self.path)/retry-init", nil, key: "r").refusal == refusal)
            }
            #expect(try await api.post("\(Self.path)/retry-init", nil, key: nil).refusal == "400 WVS_BAD_REQUEST")
            let absent = try await api.post("/v1/workspaces/nobody/retry-init", nil, key: "r")
            #expect(absent.refusal == "404 WVS_NOT_FOUND")
        }
    }

    @Test("equal retry-inits at one instant make one task, and unequal ones too")
    func retryInitRace() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            for round in 0..<20 {
                try await api.setState(.initFailed)
                let answers = try await withThrowingTaskGroup(of: HTTPExchange.self) { group in
                    for client in 0..<4 {
                        let key = "round-\(round)-\(client / 3)"
                        group.addTask { try await api.post("\(Self.path)/retry-init", nil, key: key) }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                let accepted = answers.filter { $0.status == 202 }
                #expect(Set(try accepted.map { try $0.json["task_id"]?.string }).count == 1)
                #expect(accepted.filter { $0.headers["idempotency-replayed"] == nil }.count == 1)
                // Those with the other key, one or three.
                #expect(answers.count - accepted.count == (accepted.count == 1 ? 3 : 1))
                #expect(answers.allSatisfy { $0.status == 202 || $0.refusal == "412 WVS_PRECONDITION_FAILED" })
                try await api.endTasks(of: "ws-1", as: .dead)
            }
        }
    }

    @Test("disabling against accepting a task, 1,000 times: a disabled workspace never has one to do")
    func race() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let snapshotID = try await api.makeSnapshot()
            var disabled = 0
            for round in 0..<1000 {
                async let closing = api.delete(Self.path, key: nil)
                let accepting: HTTPExchange
                switch round % 3 {
                case 0: accepting = try await api.post("\(Self.path)/snapshots", nil, key: "k\(round)")
                case 1: accepting = try await api.delete("\(Self.path)/snapshots/\(snapshotID)", key: "k\(round)")
                default:
                    accepting = try await api.post(
                        "\(Self.path)/current:set", ["snapshot_id": .string(snapshotID)], key: "k\(round)")
                }
                let closed = try await closing
                let unfinished = try await api.count("SELECT count(*) FROM wvs.tasks WHERE status = 'PENDING'")
                switch (closed.status, accepting.status) {
                case (200, 410): #expect(unfinished == 0)
                case (409, 202): #expect(unfinished == 1)
                default: Issue.record("\(closed.body) and \(accepting.body)")
                }
                if closed.status == 200 { disabled += 1 }
                try await api.endTasks(of: "ws-1", as: .canceled)
                try await api.setState(.active)
            }
            print("disable won \(disabled) of 1000")
        }
    }
}
