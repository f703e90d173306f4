import JSON
import Model
import Postgres
import Runtime
import RuntimeCore
import Store
import TestSupport
import Testing

@Suite struct CancelTests {
    private func makeSnapshotTask(_ api: TestAPI, key: String = "k") async throws -> String {
        let answer = try await api.post("/v1/workspaces/ws-1/snapshots", nil, key: key)
        return try answer.json["task_id"]?.string ?? ""
    }

    private func setStatus(_ status: TaskStatus, of taskID: String, _ api: TestAPI) async throws {
        try await api.pool.execute("UPDATE wvs.tasks SET status = \(status) WHERE task_id = \(taskID)")
    }

    private func cancel(_ taskID: String, _ api: TestAPI) async throws -> HTTPExchange {
        try await api.post("/v1/tasks/\(taskID):cancel", nil, key: nil)
    }

    /// Action and state after it of a task's audit rows, in their order.
    private func audit(_ taskID: String, _ api: TestAPI) async throws -> [String] {
        try await api.pool.query(
            """
            SELECT action || ' ' || (payload->'before')::text || ' ' || (payload->'after')::text AS row
            FROM wvs.audit WHERE task_id = \(taskID) AND payload->'before' <> 'null' ORDER BY event_id
            """
        ).map { try $0.first() }
    }

    @Test("a task that waits ends at once, first or for its retry", arguments: [TaskStatus.pending, .failed])
    func waiting(status: TaskStatus) async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let taskID = try await makeSnapshotTask(api)
            try await setStatus(status, of: taskID, api)
            let answer = try await cancel(taskID, api)
            #expect(answer.status == 200)
            #expect(
                try answer.json == ["task_id": .string(taskID), "status": "CANCELED", "cancel_requested": true])
            let task = try await api.get("/v1/tasks/\(taskID)").json
            #expect(task["status"] == "CANCELED")
            #expect(task["ended_at"] != .null)
            #expect(
                try await audit(taskID, api) == [
                    #"task.cancel {"status": "\#(status.rawValue)", "attempt": 0} {"cancel_requested": true}"#,
                    #"workspace.snapshot_create {"status": "\#(status.rawValue)", "attempt": 0} "#
                        + #"{"status": "CANCELED", "attempt": 0}"#,
                ])
            #expect(try await cancel(taskID, api).refusal == "409 WVS_CONFLICT_LOCKED")
        }
    }

    @Test("who waits for a task hears that it was canceled, and workers that the next may run")
    func notifications() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let listener = Listener(dsn: api.dsn, logger: Logger(level: .error))
            let listening = Task { try await listener.run() }
            var heard = listener.notifications(.tasks).makeAsyncIterator()
            #expect(await heard.next() == .resumed)
            let taskID = try await makeSnapshotTask(api)
            #expect(await heard.next() == .received(payload: ""))
            async let waiting = api.get("/v1/tasks/\(taskID)", headers: ["Prefer": "wait=60"])
            try await api.untilWaiting()
            #expect(try await cancel(taskID, api).status == 200)
            #expect(try await waiting.json["status"] == "CANCELED")
            #expect(await heard.next() == .received(payload: ""))
            listener.shutdown()
            try await listening.value
        }
    }

    @Test("the worker of a running task is told, each time, and the wish is written down once")
    func running() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let taskID = try await makeSnapshotTask(api)
            try await setStatus(.running, of: taskID, api)
            let listener = Listener(dsn: api.dsn, logger: Logger(level: .error))
            let listening = Task { try await listener.run() }
            var heard = listener.notifications(.cancel).makeAsyncIterator()
            #expect(await heard.next() == .resumed)
            for _ in 0..<2 {
                let answer = try await cancel(taskID, api)
                #expect(answer.status == 200)
                #expect(
                    try answer.json == ["task_id": .string(taskID), "status": "RUNNING", "cancel_requested": true])
                #expect(await heard.next() == .received(payload: taskID))
            }
            #expect(
                try await audit(taskID, api) == [
                    #"task.cancel {"status": "RUNNING", "attempt": 0} {"cancel_requested": true}"#
                ])
            listener.shutdown()
            try await listening.value
        }
    }

    @Test(
        "a task that has ended can not be canceled, but in a disabled workspace it is shown as it is",
        arguments: [TaskStatus.succeeded, .canceled, .dead])
    func ended(status: TaskStatus) async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let taskID = try await makeSnapshotTask(api)
            try await setStatus(status, of: taskID, api)
            let refused = try await cancel(taskID, api)
            #expect(refused.refusal == "409 WVS_CONFLICT_LOCKED")
            #expect(try refused.json["task_id"] == .string(taskID))
            try await api.setState(.disabled)
            let answer = try await cancel(taskID, api)
            #expect(answer.status == 200)
            #expect(
                try answer.json == [
                    "task_id": .string(taskID), "status": .string(status.rawValue), "cancel_requested": false,
                ])
            #expect(try await audit(taskID, api).isEmpty)
        }
    }

    @Test("a canceled init_workspace leaves its workspace INIT_FAILED, from where it can be tried again")
    func initWorkspace() async throws {
        try await TestAPI.with { api in
            let created = try await api.post("/v1/workspaces", ["wsid": "ws-1", "owner": "alice", "uid": 7], key: "k")
            let first = try created.json["init_task_id"]?.string ?? ""
            #expect(try await cancel(first, api).status == 200)
            #expect(try await api.get("/v1/workspaces/ws-1").json["state"] == "INIT_FAILED")

            let retried = try await api.post(
                "/v1/workspaces/ws-1/retry-init", nil, key: "r",
                headers: ["traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"])
            #expect(retried.status == 202)
            let second = try retried.json["task_id"]?.string ?? ""
            #expect(try retried.json == ["task_id": .string(second), "status": "PENDING"])
            #expect(retried.headers["location"] == "/v1/tasks/\(second)")
            #expect(try await api.get("/v1/workspaces/ws-1").json["state"] == "PROVISIONING")
            let tasks = try await [api.get("/v1/tasks/\(first)").json, api.get("/v1/tasks/\(second)").json]
            #expect(tasks[1]["op"] == "init_workspace")
            // What the first attempt may have left behind is the second's.
            #expect(tasks[0]["params"]?["live_id"] == tasks[1]["params"]?["live_id"])
            #expect(tasks[1]["params"]?["uid"] == 7)
            #expect(
                tasks[1]["params"]?["traceparent"] == "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
            #expect(try await api.post("/v1/workspaces/ws-1/retry-init", [:], key: "r").status == 409)
            let replayed = try await api.post("/v1/workspaces/ws-1/retry-init", nil, key: "r")
            #expect(try replayed.json == retried.json)
            #expect(replayed.headers["idempotency-replayed"] == "true")
        }
    }

    @Test("what does not exist, or has a body that says something, is refused")
    func refusals() async throws {
        try await TestAPI.with { api in
            #expect(try await cancel(UUIDv7.make(), api).refusal == "404 WVS_NOT_FOUND")
            #expect(try await cancel("7", api).refusal == "400 WVS_BAD_REQUEST")
            let body = try await api.post("/v1/tasks/\(UUIDv7.make()):cancel", ["why": "so"], key: nil)
            #expect(body.refusal == "400 WVS_BAD_REQUEST")
        }
    }

    @Test("a cancel and a worker that claims the task at once: one of the two has it")
    func againstClaim() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            for round in 0..<40 {
                let taskID = try await makeSnapshotTask(api, key: "k\(round)")
                async let answered = cancel(taskID, api)
                let holder = LeaseHolder(id: "worker", lease: .seconds(60))
                let claimed = try await api.pool.transaction { connection in
                    var turn = ClaimTurn()
                    return try Tasks.claim(limit: 1, by: holder, turn: &turn, on: connection)
                }
                let answer = try await answered
                #expect(answer.status == 200)
                let status = try answer.json["status"]?.string
                // Where it was locked by the cancel, the claim found nothing.
                #expect(claimed.isEmpty ? status == "CANCELED" : status == "RUNNING")
                try await setStatus(.canceled, of: taskID, api)
            }
        }
    }
}
