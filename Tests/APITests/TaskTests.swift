import JSON
import Model
import Postgres
import Runtime
import RuntimeCore
import Store
import TestSupport
import Testing

@testable import API

@Suite struct TaskTests {
    /// The id of a task that is PENDING.
    private func makeTask(_ api: TestAPI, _ wsid: String = "ws-1") async throws -> String {
        let answer = try await api.post("/v1/workspaces", ["wsid": .string(wsid), "owner": "alice"], key: "k")
        return try answer.json["init_task_id"]?.string ?? ""
    }

    private func finish(_ taskID: String, _ api: TestAPI, telling: Bool) async throws {
        try await api.pool.execute(
            "UPDATE wvs.tasks SET status = 'SUCCEEDED', ended_at = now() WHERE task_id = \(taskID)")
        if telling { try await api.pool.query("SELECT pg_notify('wvs_done', \(taskID))") }
    }

    @Test("a task is shown with all its members")
    func get() async throws {
        try await TestAPI.with { api in
            let taskID = try await makeTask(api)
            let answer = try await api.get("/v1/tasks/\(taskID)")
            #expect(answer.status == 200)
            #expect(answer.headers["cache-control"] == "no-store")
            #expect(answer.headers["vary"] == "Prefer")
            #expect(answer.headers["preference-applied"] == nil)
            let task = try answer.json
            #expect(
                task.object?.names == [
                    "task_id", "wsid", "op", "status", "attempt", "max_attempts", "created_at", "started_at",
                    "ended_at",
                    "next_run_at", "timeout_seconds", "cancel_requested", "request_id", "params", "progress", "result",
                    "error",
                ])
            #expect(task["status"] == "PENDING")
            #expect(task["max_attempts"] == 5)
            let error = TaskError(
                code: "QUIESCE_TIMEOUT", message: "no sidecar ever attached", retryable: true, attempt: 1)
            try await api.pool.execute("UPDATE wvs.tasks SET status = 'FAILED', error = \(error)")
            #expect(try await api.get("/v1/tasks/\(taskID)").json["error"] == error.json)
            #expect(try await api.get("/v1/tasks/\(UUIDv7.make())").refusal == "404 WVS_NOT_FOUND")
            #expect(try await api.get("/v1/tasks/7").refusal == "400 WVS_BAD_REQUEST")
        }
    }

    @Test("tasks are listed newest first, by workspace, status and operation, and the next page keeps the filter")
    func list() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace("ws-1")
            try await api.makeActiveWorkspace("ws-2")
            for number in 0..<3 {
                for wsid in ["ws-1", "ws-2"] {
                    _ = try await api.post("/v1/workspaces/\(wsid)/snapshots", nil, key: "k\(number)")
                }
            }
            func items(_ query: String) async throws -> [JSONValue] {
                try await api.get("/v1/tasks?\(query)").json["items"]?.array ?? []
            }
            #expect(try await items("").count == 8)
            #expect(try await items("wsid=ws-2").count == 4)
            #expect(try await items("status=PENDING").count == 6)
            #expect(try await items("op=init_workspace&wsid=ws-1").count == 1)
            #expect(try await items("wsid=ws-3").isEmpty)
            let first = try await api.get("/v1/tasks?op=snapshot_create&wsid=ws-1&limit=2")
            let link = try #require(first.headers["link"]?.split(separator: ">").first?.dropFirst())
            let rest = try await api.get(String(link)).json["items"]?.array ?? []
            let all = (try first.json["items"]?.array ?? []) + rest
            let expected = try await items("op=snapshot_create&wsid=ws-1")
            #expect(all == expected)
            #expect(all.count == 3)
            for query in ["status=RUN", "op=x", "wsid=X", "limit=1000"] {
                #expect(try await api.get("/v1/tasks?\(query)").refusal == "400 WVS_BAD_REQUEST")
            }
        }
    }

    @Test("Prefer: wait answers as soon as the task ends", arguments: [true, false])
    func wait(telling: Bool) async throws {
        try await TestAPI.with { api in
            let taskID = try await makeTask(api)
            async let waiting = api.get("/v1/tasks/\(taskID)", headers: ["Prefer": "respond-async, wait=600"])
            try await api.untilWaiting()
            // An end whose notification is lost is seen too, only later.
            try await finish(taskID, api, telling: telling)
            let answer = try await waiting
            #expect(try answer.json["status"] == "SUCCEEDED")
            #expect(answer.headers["preference-applied"] == "wait=60")
        }
    }

    @Test("the notification alone ends a wait", .timeLimit(.minutes(1)))
    func notification() async throws {
        try await TestAPI.with { api in
            let listener = Listener(dsn: api.dsn, logger: Logger(level: .error))
            let watch = TaskWatch(pool: api.pool, listener: listener, glance: .seconds(600))
            let services: [any Service] = [listener, watch]
            let running = services.map { service in Task { try await service.run() } }
            // The first may still be woken by the listener's beginning; from then on only the notification is left.
            for number in 0..<10 {
                let taskID = try await makeTask(api, "ws-\(number)")
                async let waiting = watch.task(taskID, waiting: .seconds(600))
                try await eventually("somebody waits for it") { watch.isAwaited(taskID) }
                try await finish(taskID, api, telling: true)
                #expect(try await waiting?.status == .succeeded)
            }
            services.reversed().forEach { $0.shutdown() }
            for task in running { try await task.value }
        }
    }

    @Test("Prefer: wait answers with the task as it is once the time is up")
    func timeout() async throws {
        try await TestAPI.with { api in
            let taskID = try await makeTask(api)
            let start = MonotonicTime.now
            let answer = try await api.get("/v1/tasks/\(taskID)", headers: ["Prefer": "WAIT = 1 ; x=y"])
            #expect(try answer.json["status"] == "PENDING")
            #expect(answer.headers["preference-applied"] == "wait=1")
            #expect((1.0...15.0).contains((MonotonicTime.now - start).seconds))
        }
    }

    @Test(
        "a preference that is malformed is ignored",
        arguments: ["wait", "wait=", "wait=-1", "wait=1s", "wait=1.5", "wait=\"9\""])
    func malformedPreference(preference: String) async throws {
        try await TestAPI.with { api in
            let taskID = try await makeTask(api)
            let answer = try await api.get("/v1/tasks/\(taskID)", headers: ["Prefer": preference])
            #expect(answer.status == 200)
            #expect(answer.headers["preference-applied"] == nil)
        }
    }

    @Test("those who wait are answered when the program shuts down")
    func shutdown() async throws {
        try await TestAPI.with { api in
            let taskID = try await makeTask(api)
            async let waiting = api.get("/v1/tasks/\(taskID)", headers: ["Prefer": "wait=60"])
            try await api.untilWaiting()
            let start = MonotonicTime.now
            api.beginShutdown()
            #expect(try await waiting.json["status"] == "PENDING")
            #expect((MonotonicTime.now - start).seconds < 15)
        }
    }

    @Test("nobody waits on for a client that has gone")
    func departure() async throws {
        try await TestAPI.with { api in
            let taskID = try await makeTask(api)
            do {
                let connection = try RawConnection(to: api.address)
                try await connection.send("GET /v1/tasks/\(taskID) HTTP/1.1\r\nHost: x\r\nPrefer: wait=60\r\n\r\n")
                try await api.untilWaiting()
            }
            try await eventually("the wait is over") { try await api.active() == 0 }
            let metrics = try await HTTPExchange.send("GET", "/metrics", to: api.metricsAddress).body
            #expect(metrics.contains(#"code="499""#))
        }
    }
}

extension TestAPI {
    /// Requests under way, by the program's own count.
    func active() async throws -> Int {
        let text = try await HTTPExchange.send("GET", "/metrics", to: metricsAddress).body
        let line = text.split(separator: "\n").first { $0.hasPrefix("wvs_active_requests ") }
        return line?.split(separator: " ").last.flatMap { Int($0) } ?? -1
    }

    func untilWaiting() async throws { try await eventually("a request waits") { try await active() == 1 } }
}
