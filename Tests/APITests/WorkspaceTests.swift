import JSON
import Model
import Runtime
import TestSupport
import Testing

@testable import API

@Suite struct WorkspaceTests {
    @Test("creating a workspace answers 202 and leaves workspace, task and audit row, made by one transaction")
    func create() async throws {
        try await TestAPI.with { api in
            let answer = try await api.post(
                "/v1/workspaces", ["wsid": "ws-1", "owner": "alice", "uid": 1000, "gid": 100], key: "k1",
                headers: ["X-Request-Id": "req-7"])
            #expect(answer.status == 202)
            let body = try answer.json
            let taskID = try #require(body["init_task_id"]?.string)
            #expect(body == ["wsid": "ws-1", "state": "PROVISIONING", "init_task_id": .string(taskID)])
            #expect(UUIDv7.isValid(taskID))
            #expect(answer.headers["location"] == "/v1/tasks/\(taskID)")
            #expect(answer.headers["retry-after"] == "1")
            #expect(answer.headers["x-request-id"] == "req-7")
            #expect(answer.headers["content-type"] == "application/json")
            #expect(answer.headers["idempotency-replayed"] == nil)

            let same = try await api.count(
                """
                SELECT count(*) FROM wvs.workspaces w JOIN wvs.tasks t USING (wsid) JOIN wvs.audit a USING (task_id)
                WHERE w.xmin = t.xmin AND t.xmin = a.xmin AND t.op = 'init_workspace' AND t.request_id = 'req-7'
                  AND a.action = 'workspace.create' AND a.request_id = 'req-7' AND a.wsid = 'ws-1'
                  AND a.actor = '{"type": "anonymous", "addr": "127.0.0.1"}'
                  AND w.root_path = '/mnt/ws/ws-1' AND w.current_path = '/mnt/ws/ws-1/live/' || (t.params->>'live_id')
                  AND w.uid = 1000 AND w.gid = 100
                  AND t.params = jsonb_build_object('live_id', t.params->>'live_id', 'uid', 1000, 'gid', 100)
                """)
            #expect(same == 1)
        }
    }

    @Test("a workspace is shown with all its members, times in RFC 3339 with microseconds")
    func get() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let answer = try await api.get("/v1/workspaces/ws-1")
            #expect(answer.status == 200)
            let body = try answer.json
            #expect(
                body.object?.names == [
                    "wsid", "owner", "state", "root_path", "current_path", "current_snapshot_id", "uid", "gid",
                    "created_at", "updated_at",
                ])
            #expect(body["state"] == "ACTIVE")
            #expect(body["owner"] == "alice")
            #expect(body["uid"] == .null)
            let time = try #require(body["created_at"]?.string)
            #expect(time.count == 27 && time.hasSuffix("Z") && time.contains("T"))

            #expect(try await api.get("/v1/workspaces/nobody").refusal == "404 WVS_NOT_FOUND")
            #expect(try await api.get("/v1/workspaces/Nobody").refusal == "400 WVS_BAD_REQUEST")
            #expect(try await api.get("/v1/workspaces/a").refusal == "400 WVS_BAD_REQUEST")
        }
    }

    @Test(
        "a body that is not exactly what it should be is refused, and the reason names the member",
        arguments: [
            (#"{"owner":"a"}"#, "wsid"), (#"{"wsid":"ws-1"}"#, "owner"), (#"{"wsid":"ws-1","owner":""}"#, "owner"),
            (#"{"wsid":"WS-1","owner":"a"}"#, "wsid"), (#"{"wsid":"ws-","owner":"a"}"#, "wsid"),
            (#"{"wsid":7,"owner":"a"}"#, "wsid"), (#"{"wsid":"ws-1","owner":"a","uid":"0"}"#, "uid"),
            (#"{"wsid":"ws-1","owner":"a","gid":-1}"#, "gid"), (#"{"wsid":"ws-1","owner":"a","uid":1.5}"#, "uid"),
            (#"{"wsid":"ws-1","owner":"a","uid":1e300}"#, "uid"), (#"{"wsid":"ws-1","owner":"a","uid":1e999}"#, "JSON"),
            (#"{"wsid":"ws-1","owner":"a","gid":2147483648}"#, "gid"),
            (#"{"wsid":"ws-1","owner":"a","colour":"red"}"#, "colour"),
            (#"{"wsid":"ws-1","owner":"a","owner":"b"}"#, "owner"), (#"["wsid"]"#, "array"), ("nonsense", "JSON"),
            ("", "wsid"), (#"{"wsid":"ws-1","owner":"a\u0000b"}"#, "JSON"),
            (#"{"wsid":"ws-1","owner":"a"} {}"#, "JSON"),
            (
                #"{"wsid":"ws-1","owner":"# + String(repeating: "[", count: 65) + String(repeating: "]", count: 65)
                    + "}", "nested"
            ),
        ])
    func malformed(body: String, named: String) async throws {
        try await TestAPI.with { api in
            let answer = try await api.postText("/v1/workspaces", body)
            #expect(answer.status == 400)
            let problem = try JSONValue(parsing: answer.body)
            #expect(problem["code"] == "WVS_BAD_REQUEST")
            #expect(problem["detail"]?.string?.contains(named) == true, "\(answer.text)")
            #expect(try await api.count("SELECT count(*) FROM wvs.workspaces") == 0)
        }
    }

    @Test("a whole number may be written as a fraction of nothing, and is the same request")
    func wholeNumbers() async throws {
        try await TestAPI.with { api in
            var answers: [String] = []
            for uid in ["7", "7.0", "0.7e1"] {
                let answer = try await RawConnection.request(
                    "POST", "/v1/workspaces", at: api.address,
                    headers: [("Idempotency-Key", "k"), ("Content-Type", "application/json")],
                    body: #"{"wsid":"ws-1","owner":"a","uid":\#(uid)}"#)
                #expect(answer.status == 202)
                answers.append(answer.text)
            }
            #expect(Set(answers).count == 1)
        }
    }

    @Test("a member that may be left out may be null too")
    func nulls() async throws {
        try await TestAPI.with { api in
            let body: JSONValue = ["wsid": "ws-1", "owner": "alice", "uid": .null, "gid": .null]
            #expect(try await api.post("/v1/workspaces", body, key: "k").status == 202)
            #expect(try await api.get("/v1/workspaces/ws-1").json["uid"] == .null)
            try await api.setState(.active)
            let path = "/v1/workspaces/ws-1"
            #expect(try await api.post("\(path)/snapshots", ["message": .null], key: "k").status == 202)
            let set: JSONValue = ["snapshot_id": .string(try await api.makeSnapshot()), "discard": .null]
            #expect(try await api.post("\(path)/current:set", set, key: "k").status == 202)
            #expect(try await api.post("/v1/workspaces", ["wsid": .null, "owner": "a"], key: "k").status == 400)
        }
    }

    @Test("a name that is taken is 409 for another key")
    func exists() async throws {
        try await TestAPI.with { api async throws in
            let body: JSONValue = ["wsid": "ws-1", "owner": "alice"]
            #expect(try await api.post("/v1/workspaces", body, key: "k1").status == 202)
            #expect(try await api.post("/v1/workspaces", body, key: "k2").refusal == "409 WVS_CONFLICT_EXISTS")
        }
    }

    @Test("a list shows every workspace once, newest first, page by page")
    func list() async throws {
        try await TestAPI.with { api in
            // Ties in pairs: only the name tells their rows apart.
            try await api.pool.execute(
                """
                INSERT INTO wvs.workspaces (wsid, root_path, owner, current_path, created_at)
                SELECT 'ws-' || i, '/mnt/ws/ws-' || i, 'a', '', '2026-01-01'::timestamptz + (i / 2) * interval '1 second'
                FROM generate_series(10, 34) AS i
                """)
            var path = "/v1/workspaces?limit=10"
            var seen: [String] = []
            var pages = 0
            while true {
                let answer = try await api.get(path)
                let page = try answer.json
                seen += (page["items"]?.array ?? []).compactMap { $0["wsid"]?.string }
                pages += 1
                guard let cursor = page["next_cursor"]?.string else {
                    #expect(page["next_cursor"] == .null)
                    #expect(answer.headers["link"] == nil)
                    break
                }
                path = "/v1/workspaces?limit=10&cursor=\(cursor)"
                #expect(answer.headers["link"] == "<\(path)>; rel=\"next\"")
            }
            #expect(pages == 3)
            #expect(seen == (10...34).map { "ws-\($0)" }.sorted(by: Self.isNewer))
        }
    }

    private static func isNewer(_ left: String, _ right: String) -> Bool {
        let numbers = [left, right].map { (Int($0.dropFirst(3)) ?? 0) / 2 }
        return numbers[0] == numbers[1] ? left > right : numbers[0] > numbers[1]
    }
}
