import JSON
import Runtime
import RuntimeCore
import TestSupport
import Testing

@Suite struct OperationTests {
    @Test("metrics of both listeners please promtool")
    func metrics() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            _ = try await api.get("/v1/workspaces/ws-1")
            _ = try await api.get("/nowhere")
            for address in [api.address, api.metricsAddress] {
                let page = try await HTTPExchange.send("GET", "/metrics", to: address)
                #expect(page.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8")
                let complaints = try await Command.run(
                    ["sh", "-c", "printf %s \"$1\" | promtool check metrics", "sh", page.body])
                #expect(complaints == "")
                #expect(
                    page.body.contains(
                        #"wvs_http_requests_total{route="/v1/workspaces/{wsid}",method="GET",code="200"} 1"#))
                #expect(page.body.contains(#"wvs_http_requests_total{route="none",method="GET",code="404"} 1"#))
                #expect(
                    page.body.contains(
                        #"wvs_http_request_duration_seconds_count{route="/v1/workspaces",method="POST"} 1"#))
                #expect(page.body.contains("wvs_build_info{version=\"\(Version.current)\"} 1"))
                #expect(!page.body.contains("ws-1"))
            }
        }
    }

    @Test("what a request ends or changes by itself is counted, once")
    func changes() async throws {
        try await TestAPI.with { api in
            let made = try await api.post("/v1/workspaces", ["wsid": "ws-1", "owner": "alice"], key: "make")
            let cancel = "/v1/tasks/\(try made.json["init_task_id"]?.string ?? ""):cancel"
            #expect(try await api.post(cancel, nil, key: nil).status == 200)
            for _ in 1...2 {
                #expect(try await api.post("/v1/workspaces/ws-1/retry-init", nil, key: "again").status == 202)
            }
            try await api.setState(.active)
            try await api.endTasks(of: "ws-1", as: .succeeded)
            for _ in 1...2 { #expect(try await api.delete("/v1/workspaces/ws-1", key: nil).status == 200) }
            let page = try await api.get("/metrics").body
            let counted = page.split(separator: "\n").filter {
                $0.hasPrefix("wvs_task_total") || $0.hasPrefix("wvs_workspace_state")
            }
            #expect(
                counted == [
                    #"wvs_task_total{op="init_workspace",status="CANCELED"} 1"#,
                    #"wvs_workspace_state_transitions_total{from="ACTIVE",to="DISABLED"} 1"#,
                    #"wvs_workspace_state_transitions_total{from="INIT_FAILED",to="PROVISIONING"} 1"#,
                    #"wvs_workspace_state_transitions_total{from="PROVISIONING",to="INIT_FAILED"} 1"#,
                ])
        }
    }

    @Test("a database without our schema makes it not ready, and says what to do")
    func schema() async throws {
        let database = try await TestDatabase.makeEmpty()
        try await TestAPI.with(dsn: database.dsn) { api in
            for address in [api.address, api.metricsAddress] {
                #expect(try await HTTPExchange.send("GET", "/healthz", to: address).status == 200)
                let ready = try await HTTPExchange.send("GET", "/readyz", to: address)
                #expect(ready.status == 503)
                #expect(ready.body.contains("wvs-migrate up"))
            }
        }
    }

    @Test("while the database is away requests get 503, and it is ready again by itself")
    func outage() async throws {
        let server = try await TestServer.start()
        try await TestAPI.with(dsn: server.dsn()) { api in
            try await api.migrate()
            #expect(try await api.get("/v1/workspaces/ws-1").status == 404)
            try await server.stop()
            try await eventually("requests are refused") { try await api.get("/v1/workspaces/ws-1").status == 503 }
            let refused = try await api.post("/v1/workspaces", ["wsid": "ws-1", "owner": "alice"], key: "k")
            #expect(refused.refusal == "503 WVS_INTERNAL")
            #expect(refused.headers["retry-after"] == "1")
            #expect(try await api.get("/readyz").status == 503)
            #expect(try await api.get("/healthz").status == 200)
            try await server.start()
            try await eventually("the database is there again") {
                try await api.get("/readyz").body.contains(#""database":"ok""#)
            }
        }
    }

    @Test("the program says where it listens, logs requests as JSON and ends cleanly")
    func program() async throws {
        try await TestDatabase.with { database in
            let program = try ProgramProcess(
                "wvs-api", arguments: ["--listen-addr", "127.0.0.1:0", "--metrics-addr=127.0.0.1:0"],
                environment: ["WVS_DB_DSN": database.dsn])
            let address = try await program.address("api")
            _ = try await program.address("metrics")
            let created = try await HTTPExchange.send(
                "POST", "/v1/workspaces", to: address, headers: ["Idempotency-Key": "k", "X-Request-Id": "req-1"],
                body: ["wsid": "ws-1", "owner": "alice"])
            let taskID = try #require(try created.json["init_task_id"]?.string)
            let line = try await program.line { $0.contains(#""msg":"request""#) }
            let log = try JSONValue(parsing: line)
            #expect(log["request_id"] == "req-1")
            #expect(log["wsid"] == "ws-1")
            #expect(log["task_id"] == .string(taskID))
            #expect(log["method"] == "POST")
            #expect(log["route"] == "/v1/workspaces")
            #expect(log["code"] == 202)
            #expect(log["duration_ms"]?.double != nil)
            program.signal(15)
            #expect(try await program.ended() == 0)
        }
    }

    @Test("a setting that is missing or malformed is named, and nothing starts")
    func settings() async throws {
        let program = try ProgramProcess(
            "wvs-api", environment: ["WVS_LISTEN_ADDR": "8080", "WVS_DB_POOL": "0", "WVS_WORKSPACE_ROOT": "ws"])
        #expect(try await program.ended() == 2)
        for name in ["WVS_DB_DSN", "WVS_LISTEN_ADDR", "WVS_DB_POOL", "WVS_WORKSPACE_ROOT"] {
            #expect(program.lines.contains { $0.contains(name) })
        }
    }
}
