import HTTPServer
import RuntimeCore
import TestSupport
import Testing

@Suite struct LifetimeTests {
    private static var impatient: Limits {
        var limits = Limits()
        limits.requestTimeout = .milliseconds(400)
        return limits
    }

    private static func build(_ router: inout Router) {
        router.on("POST", "/") { request in
            Response(status: 200, contentType: "text/plain", text: "\(request.body.count)")
        }
        router.on("GET", "/") { _ in Response(status: 200) }
    }

    /// Sends a byte now and then until the server has had enough; what it then said.
    private func drip(_ connection: RawConnection) async throws -> String {
        let dripping = Task {
            while !Task.isCancelled {
                try await connection.send("a")
                try await Task.sleep(for: .milliseconds(20))
            }
        }
        defer { dripping.cancel() }
        // Ends with an error once the server has closed.
        _ = await dripping.result
        return try await connection.untilClosed()
    }

    @Test(
        "a request that trickles in is cut off, though it is never idle",
        arguments: [
            "GET / HTTP/1.1\r\nHost: x\r\nX: ",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n",
            "G",
        ])
    func slowRequest(start: String) async throws {
        try await withServer(limits: Self.impatient, Self.build) { address, _ in
            let connection = try RawConnection(to: address)
            try await connection.send(start)
            let said = try await drip(connection)
            #expect(said.hasPrefix("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n"))
            #expect(said.hasSuffix("\r\n\r\nthe request did not arrive in time\n"))
        }
    }

    @Test(
        "a request of which half came behind another one has no more time than any",
        arguments: [
            "G", "GET / HT", "GET / HTTP/1.1\r\nHost:", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc",
        ])
    func halfPipelined(half: String) async throws {
        try await withServer(limits: Self.impatient, Self.build) { address, _ in
            let connection = try RawConnection(to: address)
            let post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
            try await connection.send(post + "GET / HTTP/1.1\r\nHost: x\r\n\r\n" + half)
            for _ in 0..<2 { #expect(try await connection.response().status == 200) }
            #expect(try await connection.untilClosed().hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test("a connection between requests is not taken for one that is slow")
    func idleBetweenRequests() async throws {
        try await withServer(limits: Self.impatient, Self.build) { address, _ in
            let connection = try RawConnection(to: address)
            for _ in 0..<2 {
                try await connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc")
                #expect(try await connection.response().status == 200)
                // Longer than a request may take.
                try await Task.sleep(for: .milliseconds(900))
            }
        }
    }

    @Test("a client that closes its half after the request is answered")
    func halfClosed() async throws {
        try await withServer { router in
            router.on("GET", "/") { _ in
                try await Task.sleep(for: .milliseconds(300))
                return Response(status: 200)
            }
        } _: { address, _ in
            let connection = try RawConnection(to: address)
            try await connection.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            connection.finishSending()
            #expect(try await connection.untilClosed().hasPrefix("HTTP/1.1 200 "))
        }
    }

    @Test("where connections run short, those that wait longest go first, and others are served")
    func crowd() async throws {
        var limits = Limits()
        limits.connections = 40
        limits.crowdedTimeout = .milliseconds(100)
        try await withServer(limits: limits, Self.build) { address, _ in
            // Half of them hold a request back.
            let crowd = try (0..<200).map { _ in try RawConnection(to: address) }
            for connection in crowd.prefix(100) { try await connection.send("GET / HTTP/1.1\r\n") }
            for _ in 0..<20 { #expect(try await RawConnection.request("GET", "/", at: address).status == 200) }
            let said = try await crowd[0].untilClosed()
            #expect(said.hasPrefix("HTTP/1.1 408 "))
            #expect(try await crowd[199 - 60].untilClosed() == "")
        }
    }

    @Test("the second request of a connection has no more time than the first")
    func slowSecondRequest() async throws {
        try await withServer(limits: Self.impatient, Self.build) { address, _ in
            let connection = try RawConnection(to: address)
            try await connection.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await connection.response().status == 200)
            #expect(try await drip(connection).hasPrefix("HTTP/1.1 408 "))
        }
    }

    @Test("a handler may take longer than a request may take to arrive")
    func slowHandler() async throws {
        try await withServer(limits: Self.impatient) { router in
            router.on("GET", "/slow") { _ in
                try await Task.sleep(for: .milliseconds(900))
                return Response(status: 200)
            }
        } _: { address, _ in
            let response = try await RawConnection.request("GET", "/slow", at: address)
            #expect(response.status == 200)
        }
    }

    @Test("a handler is cancelled when its client goes away")
    func departure() async throws {
        let started = Signal()
        let canceled = Signal()
        try await withServer { router in
            router.on("GET", "/wait") { _ in
                started.fire()
                do { try await Task.sleep(for: .seconds(60)) } catch { canceled.fire() }
                return Response(status: 200)
            }
        } _: { address, _ in
            do {
                let connection = try RawConnection(to: address)
                try await connection.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
                #expect(await started.wait())
            }
            #expect(await canceled.wait())
        }
    }

    @Test("a shutdown answers what has begun, closes its connections and takes no new ones")
    func drain() async throws {
        let started = Signal()
        let release = Signal()
        var kept: RawConnection?
        try await withServer { router in
            router.on("GET", "/wait") { _ in
                started.fire()
                _ = await release.wait()
                return Response(status: 200)
            }
            router.on("GET", "/") { _ in Response(status: 200) }
        } _: { address, server in
            let idle = try RawConnection(to: address)
            try await idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await idle.response().status == 200)
            let connection = try RawConnection(to: address)
            try await connection.send("GET /wait HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(await started.wait())
            server.shutdown()
            // While it drains, a connection that exists is still served, for the last time.
            try await idle.send("GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            #expect(try await idle.response().status == 200)
            release.fire()
            let response = try await connection.response()
            #expect(response.status == 200)
            #expect(response["Connection"] == "close")
            kept = connection
        }
        let rest = try await kept?.untilClosed()
        #expect(rest == "")
    }

    @Test("a shutdown that is cancelled refuses for a handler that does not end")
    func forcedShutdown() async throws {
        let started = Signal()
        let release = Signal()
        var router = Router()
        router.interceptor = { request, next in
            do {
                return try await next(request)
            } catch {
                let refusal = error as? Refusal
                let text = "\(request.path) \(request.headers["X-Request-Id"] ?? "") \(refusal?.detail ?? "")"
                return Response(status: refusal?.status ?? 500, contentType: "text/plain", text: text)
            }
        }
        router.on("GET", "/stuck") { _ in
            started.fire()
            _ = await release.wait()
            return Response(status: 200)
        }
        let server = try HTTPServer(
            name: "test", address: SocketAddress(host: "127.0.0.1", port: 0), router: router,
            logger: Logger(level: .warn))
        let running = Task { try await server.run() }
        let connection = try RawConnection(to: server.address)
        try await connection.send("GET /stuck HTTP/1.1\r\nHost: x\r\nX-Request-Id: 7\r\n\r\n")
        #expect(await started.wait())
        running.cancel()
        let response = try await connection.response()
        #expect(response.status == 503)
        // Rendered as every refusal is.
        #expect(response.text == "/stuck 7 the service is shutting down")
        try await running.value
        release.fire()
    }

    @Test(
        "a shutdown that is cancelled waits for no client: neither one that sends half a request nor one that does not read"
    )
    func idleClients() async throws {
        let sending = Signal()
        var router = Router()
        router.on("POST", "/") { _ in Response(status: 200) }
        router.on("GET", "/large") { _ in
            sending.fire()
            return Response(status: 200, body: [UInt8](repeating: 97, count: 64 << 20))
        }
        let server = try HTTPServer(
            name: "test", address: SocketAddress(host: "127.0.0.1", port: 0), router: router,
            logger: Logger(level: .warn))
        let running = Task { try await server.run() }
        let half = try RawConnection(to: server.address)
        try await half.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nabc")
        let deaf = try RawConnection(to: server.address)
        try await deaf.send("GET /large HTTP/1.1\r\nHost: x\r\n\r\n")
        #expect(await sending.wait())
        let start = MonotonicTime.now
        running.cancel()
        try await running.value
        // Far below the time that a request may take to arrive.
        #expect((MonotonicTime.now - start).seconds < 5)
    }

    @Test("many clients at once are each answered with their own")
    func load() async throws {
        try await withServer { router in
            router.on("POST", "/echo/{id}") { request in
                await Task.yield()
                return Response(
                    status: 200, contentType: "text/plain",
                    text: request.parameter("id") + String(decoding: request.body, as: UTF8.self))
            }
        } _: { address, _ in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for client in 0..<32 {
                    group.addTask {
                        let connection = try RawConnection(to: address)
                        for round in 0..<100 {
                            let body = "-\(round)"
                            try await connection.send(
                                "POST /echo/\(client) HTTP/1.1\r\nHost: x\r\nContent-Length: \(body.utf8.count)\r\n\r\n"
                                    + body)
                            #expect(try await connection.response().text == "\(client)\(body)")
                        }
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
