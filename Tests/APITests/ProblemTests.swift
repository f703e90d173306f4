import JSON
import Runtime
import TestSupport
import Testing

@Suite struct ProblemTests {
    private func problem(_ response: TestResponse) throws -> JSONValue {
        #expect(response["Content-Type"] == "application/problem+json")
        let problem = try JSONValue(parsing: response.body)
        #expect(problem["type"] == "about:blank")
        #expect(problem["status"] == .integer(Int64(response.status)))
        #expect(problem["request_id"]?.string == response["X-Request-Id"])
        #expect(problem["title"]?.string?.isEmpty == false)
        #expect(problem["detail"]?.string?.isEmpty == false)
        return problem
    }

    @Test("what the server refuses before a handler has the same shape as what a handler refuses")
    func shape() async throws {
        try await TestAPI.with { api in
            let route = try await RawConnection.request("GET", "/v2/workspaces", at: api.address)
            #expect(route.status == 404)
            #expect(try problem(route)["code"] == "WVS_NOT_FOUND")

            let method = try await RawConnection.request("PUT", "/v1/workspaces", at: api.address)
            #expect(method.status == 405)
            #expect(method["Allow"] == "GET, HEAD, OPTIONS, POST")
            #expect(try problem(method)["code"] == "WVS_BAD_REQUEST")

            let large = try await api.postText("/v1/workspaces", String(repeating: "a", count: (1 << 20) + 1))
            #expect(large.status == 413)
            #expect(try problem(large)["code"] == "WVS_BAD_REQUEST")

            for type in ["text/plain", "application/x-www-form-urlencoded", nil] {
                let typed = try await api.postText("/v1/workspaces", "{}", type: type)
                #expect(typed.status == 415)
                #expect(try problem(typed)["code"] == "WVS_BAD_REQUEST")
            }

            let headers = [("X", String(repeating: "a", count: 33_000))]
            let wide = try await RawConnection.request("GET", "/v1/workspaces", at: api.address, headers: headers)
            #expect(wide.status == 431)
            #expect(try problem(wide)["code"] == "WVS_BAD_REQUEST")

            let encoded = try await RawConnection.request("GET", "/v1/workspaces/a%2Fb", at: api.address)
            #expect(encoded.status == 400)
            #expect(try problem(encoded)["code"] == "WVS_BAD_REQUEST")

            let absent = try await RawConnection.request("GET", "/v1/workspaces/nobody", at: api.address)
            #expect(try problem(absent)["code"] == "WVS_NOT_FOUND")
        }
    }

    @Test("a request id is taken where it is fit for a log, and made up otherwise")
    func requestID() async throws {
        try await TestAPI.with { api in
            for (offered, isTaken) in [
                ("abc-1", true), (String(repeating: "x", count: 128), true), ("", false), ("a b", false),
                (String(repeating: "x", count: 129), false), ("naïve", false),
            ] {
                let answer = try await RawConnection.request(
                    "GET", "/v1/workspaces/nobody", at: api.address, headers: [("X-Request-Id", offered)])
                let id = answer["X-Request-Id"] ?? ""
                #expect(isTaken ? id == offered : UUIDv7.isValid(id))
            }
        }
    }

    @Test("nothing is served from a schema that is not the right one, and everything once it is")
    func schema() async throws {
        let database = try await TestDatabase.makeEmpty()
        try await TestAPI.with(dsn: database.dsn) { api in
            let early = try await RawConnection.request("GET", "/v1/workspaces", at: api.address)
            #expect(early.status == 503)
            #expect(early["Retry-After"] == "1")
            #expect(try problem(early)["detail"]?.string?.contains("version") == true)
            #expect(try await api.get("/healthz").status == 200)
            try await api.migrate()
            #expect(try await api.get("/v1/workspaces").status == 200)
        }
    }

    @Test("a request that does not arrive is a problem too, wherever it stops")
    func overdue() async throws {
        try await TestAPI.with { api in
            let id = "X-Request-Id: req-7\r\n"
            let connections = try await [
                "GET /v1/works", "GET /v1/workspaces HTTP/1.1\r\nHost: x\r\n\(id)",
                "POST /v1/workspaces HTTP/1.1\r\nHost: x\r\n\(id)Content-Length: 7\r\n\r\n{",
                "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\nPOST /v1/workspaces",
            ].asyncMap { text in
                let connection = try RawConnection(to: api.address)
                try await connection.send(text)
                return connection
            }
            #expect(try await connections[3].response().status == 200)
            for (index, connection) in connections.enumerated() {
                let response = try await connection.response()
                #expect(response.status == 408)
                #expect(try problem(response)["code"] == "WVS_BAD_REQUEST")
                // Known once the headers have been read.
                if index == 2 { #expect(response["X-Request-Id"] == "req-7") }
                #expect(try await connection.untilClosed() == "")
            }
            let metrics = try await HTTPExchange.send("GET", "/metrics", to: api.metricsAddress).body
            #expect(metrics.contains(#"wvs_http_requests_total{route="none",method="POST",code="408"} 1"#))
        }
    }
}

extension Array {
    fileprivate func asyncMap<Result>(_ body: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await body(element)) }
        return results
    }
}
