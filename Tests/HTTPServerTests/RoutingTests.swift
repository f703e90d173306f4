import HTTPServer
import RuntimeCore
import TestSupport
import Testing

@Suite struct RoutingTests {
    private static func build(_ router: inout Router) {
        func echo(_ name: String) -> Router.Handler {
            { request in
                let parameters = request.parameters.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }
                return Response(
                    status: 200, contentType: "text/plain",
                    text: ([name, request.route ?? "none"] + parameters).joined(separator: " "))
            }
        }
        router.on("GET", "/v1/tasks/{task_id}", echo("get"))
        router.on("POST", "/v1/tasks/{task_id}:cancel", echo("cancel"))
        router.on("GET", "/v1/workspaces/{wsid}/current", echo("current"))
        router.on("POST", "/v1/workspaces/{wsid}/current:set", echo("set"))
        router.on("GET", "/v1/workspaces/{wsid}/{any}", echo("any"))
        router.on("DELETE", "/v1/workspaces/{wsid}", echo("delete"))
        router.on("GET", "/query") { request in
            let items = request.query.items.map { "\($0.name)=\($0.value);" }.joined()
            return Response(status: 200, contentType: "text/plain", text: items)
        }
    }

    private func text(_ method: String, _ target: String) async throws -> (Int, String) {
        try await withServer(Self.build) { address, _ in
            let response = try await RawConnection.request(method, target, at: address)
            return (response.status, response.text)
        }
    }

    @Test(
        "a path is matched by the more exact of two patterns",
        arguments: [
            ("GET", "/v1/tasks/7", "get /v1/tasks/{task_id} task_id=7"),
            ("POST", "/v1/tasks/7:cancel", "cancel /v1/tasks/{task_id}:cancel task_id=7"),
            ("GET", "/v1/workspaces/w/current", "current /v1/workspaces/{wsid}/current wsid=w"),
            ("POST", "/v1/workspaces/w/current:set", "set /v1/workspaces/{wsid}/current:set wsid=w"),
            ("GET", "/v1/workspaces/w/other", "any /v1/workspaces/{wsid}/{any} any=other wsid=w"),
        ])
    func precedence(method: String, target: String, expected: String) async throws {
        #expect(try await text(method, target) == (200, expected))
    }

    @Test(
        "a segment is decoded after the path has been split",
        arguments: [
            ("/v1/tasks/a%20b", "get /v1/tasks/{task_id} task_id=a b"),
            ("/v1/tasks/%C3%BC", "get /v1/tasks/{task_id} task_id=ü"),
            ("/v1/t%61sks/%37", "get /v1/tasks/{task_id} task_id=7"),
            ("/v1/tasks/a+b", "get /v1/tasks/{task_id} task_id=a+b"),
            ("http://example.org/v1/tasks/7", "get /v1/tasks/{task_id} task_id=7"),
        ])
    func decoding(target: String, expected: String) async throws {
        #expect(try await text("GET", target) == (200, expected))
    }

    @Test(
        "what would be ambiguous once decoded is refused",
        arguments: [
            "/v1/tasks/a%2Fb", "/v1/tasks/a%00b", "/v1/tasks/a%0Ab", "/v1/tasks/%C3", "/v1/tasks/%zz", "/v1/tasks/%2",
            "ftp://example.org/v1/tasks/7", "v1/tasks/7", "/query?a=%00", "/query?%zz",
        ])
    func ambiguous(target: String) async throws {
        #expect(try await text("GET", target).0 == 400)
    }

    @Test("dot segments are names like others, not a way up")
    func dots() async throws {
        #expect(try await text("GET", "/v1/workspaces/../tasks/7").0 == 404)
        #expect(
            try await text("GET", "/v1/workspaces/%2E%2E/tasks") == (
                200, "any /v1/workspaces/{wsid}/{any} any=tasks wsid=.."
            ))
    }

    @Test("a query keeps order, repeats and empty values, and takes + for a space")
    func query() async throws {
        #expect(try await text("GET", "/query?b=1&a=x+y%2B&a=&c&") == (200, "b=1;a=x y+;a=;c=;"))
    }

    @Test("an unknown path is 404, whatever the method")
    func unknown() async throws {
        #expect(try await text("GET", "/v2").0 == 404)
        #expect(try await text("PATCH", "/").0 == 404)
        #expect(try await text("GET", "/v1/tasks/").0 == 404)
    }

    @Test("a known path with another method is 405 and says what is allowed")
    func methods() async throws {
        try await withServer(Self.build) { address, _ in
            let get = try await RawConnection.request("DELETE", "/v1/tasks/7", at: address)
            #expect(get.status == 405)
            #expect(get["Allow"] == "GET, HEAD, OPTIONS")
            let cancel = try await RawConnection.request("GET", "/v1/tasks/7:cancel", at: address)
            #expect(cancel.status == 405)
            #expect(cancel["Allow"] == "OPTIONS, POST")
            let options = try await RawConnection.request("OPTIONS", "/v1/workspaces/w", at: address)
            #expect(options.status == 204)
            #expect(options["Allow"] == "DELETE, OPTIONS")
            #expect(try await RawConnection.request("OPTIONS", "*", at: address).status == 204)
        }
    }

    @Test("HEAD answers what GET would, without the body")
    func head() async throws {
        try await withServer(Self.build) { address, _ in
            let connection = try RawConnection(to: address)
            for _ in 0..<2 {
                try await connection.send("HEAD /v1/tasks/7 HTTP/1.1\r\nHost: x\r\n\r\n")
                let response = try await connection.response(hasBody: false)
                #expect(response.status == 200)
                #expect(response["Content-Length"] == "33")
            }
        }
    }
}
