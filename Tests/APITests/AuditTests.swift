import JSON
import Model
import Runtime
import TestSupport
import Testing

@Suite struct AuditTests {
    private func items(_ api: TestAPI, _ query: String) async throws -> [JSONValue] {
        let answer = try await api.get("/v1/audit?\(query)")
        #expect(answer.status == 200, "\(answer.body)")
        return try answer.json["items"]?.array ?? []
    }

    @Test("the trail tells who asked for what, newest first, and can be filtered")
    func list() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace("ws-1")
            try await api.makeActiveWorkspace("ws-2")
            let answer = try await api.post(
                "/v1/workspaces/ws-1/snapshots", ["message": "m"], key: "k", headers: ["X-Request-Id": "req-9"])
            let taskID = try #require(try answer.json["task_id"]?.string)
            let events = try await items(api, "")
            #expect(events.count == 3)
            let event = try #require(events.first)
            #expect(
                event.object?.names == [
                    "event_id", "ts", "wsid", "actor", "action", "request_id", "task_id", "payload",
                ])
            #expect(event["actor"] == ["type": "anonymous", "addr": "127.0.0.1"])
            #expect(event["action"] == "workspace.snapshot_create")
            #expect(event["request_id"] == "req-9")
            #expect(event["task_id"] == .string(taskID))
            #expect(event["payload"]?["before"] == .null)
            #expect(event["payload"]?["after"]?["params"]?["message"] == "m")
            #expect(event["payload"]?["error"] == .null)

            #expect(try await items(api, "wsid=ws-1").count == 2)
            #expect(try await items(api, "task_id=\(taskID)").count == 1)
            #expect(try await items(api, "action=workspace.create").count == 2)
            #expect(try await items(api, "action=workspace.create&wsid=ws-2&limit=1").count == 1)
            #expect(try await items(api, "wsid=nobody").isEmpty)
            for query in ["wsid=A", "task_id=7", "action=nonsense", "limit=0", "limit=101", "limit=%2B5", "cursor=xyz"]
            {
                #expect(try await api.get("/v1/audit?\(query)").refusal == "400 WVS_BAD_REQUEST")
            }
            for name in ["wsid", "task_id", "action", "limit", "cursor"] {
                let twice = try await api.get("/v1/audit?\(name)=1&\(name)=2").json
                #expect(twice["detail"]?.string == "\(name) is given more than once")
            }
            #expect(try await items(api, "nobodys=1&nobodys=2&limit=1").count == 1)
        }
    }

    @Test("a cursor of another list is refused where it can not mean anything, and an empty one is the beginning")
    func cursors() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace("ws-1")
            try await api.makeActiveWorkspace("ws-2")
            let tasks = try await api.get("/v1/tasks?limit=1").json
            let cursor = try #require(tasks["next_cursor"]?.string)
            #expect(try await api.get("/v1/audit?cursor=\(cursor)").refusal == "400 WVS_BAD_REQUEST")
            #expect(try await api.get("/v1/tasks?limit=1&cursor=").json == tasks)
        }
    }

    @Test("a walk through a list while others write shows every row that was there, and none twice")
    func concurrentInserts() async throws {
        try await TestAPI.with { api in
            // Many rows of one instant, across the ends of pages.
            try await api.pool.execute(
                """
                INSERT INTO wvs.audit (ts, wsid, actor, action, payload)
                SELECT '2026-01-01'::timestamptz + (i / 30) * interval '1 second', 'ws-0', '{}', 'task.cancel', '{}'
                FROM generate_series(1, 100) AS i
                """)
            let writing = Task {
                var number = 0
                while !Task.isCancelled {
                    number += 1
                    _ = try await api.post(
                        "/v1/workspaces", ["wsid": .string("ws-\(number)"), "owner": "alice"], key: "k")
                }
            }
            var seen: [Int64] = []
            var path = "/v1/audit?limit=7"
            while true {
                let answer = try await api.get(path)
                seen += try (answer.json["items"]?.array ?? []).compactMap { $0["event_id"]?.integer }
                guard let link = answer.headers["link"] else { break }
                path = String(link.dropFirst().prefix { $0 != ">" })
            }
            writing.cancel()
            try await writing.value
            #expect(Set(seen).count == seen.count)
            #expect(Set(seen).isSuperset(of: 1...100))
        }
    }
}
