import HTTPServer
import RuntimeCore
import TestSupport
import Testing

/// Clients that mean harm, or are broken. What they send is answered with a refusal, or not at all, and others do not notice.
@Suite struct HostileTests {
    private static func server(
        limits: Limits = Limits(), _ body: (SocketAddress, _ smuggled: Signal) async throws -> Void
    ) async throws {
        let smuggled = Signal()
        try await withServer(limits: limits) { router in
            router.on("POST", "/") { request in
                Response(status: 200, contentType: "text/plain", text: "\(request.body.count)")
            }
            router.on("GET", "/") { _ in Response(status: 200) }
            router.on("GET", "/smuggled") { _ in
                smuggled.fire()
                return Response(status: 200)
            }
            router.on("GET", "/large") { _ in Response(status: 200, body: [UInt8](repeating: 97, count: 4 << 20)) }
        } _: { address, _ in
            try await body(address, smuggled)
            // Whatever came before, it serves on.
            #expect(try await RawConnection.request("GET", "/", at: address).status == 200)
        }
    }

    @Test(
        "what hides a second request from one of two parsers is refused, and the connection closed",
        arguments: [
            "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
            "Content-Length : 3\r\n\r\nabc", "Content-Length: +3\r\n\r\nabc", "Content-Length: 0x3\r\n\r\nabc",
            "Content-Length: -3\r\n\r\nabc", "Content-Length: 3, 3\r\n\r\nabc", "Content-Length: 3;a\r\n\r\nabc",
            "Content-Length: 3\u{0}\r\n\r\nabc", "Content-Length: \r\n\r\nabc",
            "Content-Length: 18446744073709551619\r\n\r\nabc", "Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", "Transfer-Encoding: chunked\u{0b}\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: identity\r\nContent-Length: 3\r\n\r\nabc", "Transfer-Encoding: \r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\ntransfer-encoding: identity\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", "Transfer-Encoding: chunked\r\n\r\n-1\r\n",
            "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n\r\n0\r\n\r\n",
            "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n", "X: a\u{0}b\r\n\r\n", "X\u{0}: a\r\n\r\n",
            "X: a\u{7f}\r\n\r\n", ": a\r\n\r\n", "X Y: a\r\n\r\n", "X: a\r\n b\r\n\r\n",
            "X: a\u{0}\r\n\r\n", ": a\r\nContent-Length: 3\r\n\r\nabc",
        ])
    func smuggling(rest: String) async throws {
        try await Self.server { address, smuggled in
            let connection = try RawConnection(to: address)
            try await connection.send(
                "POST / HTTP/1.1\r\nHost: x\r\n\(rest)GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n")
            let said = try await connection.untilClosed()
            #expect(!said.contains(" 200 "), "\(said)")
            #expect(said.isEmpty || said.hasPrefix("HTTP/1.1 4") || said.hasPrefix("HTTP/1.1 50"), "\(said)")
            #expect(!smuggled.hasFired)
        }
    }

    @Test(
        "a request line that is none is refused, whatever its bytes",
        arguments: [
            "GET / smuggled HTTP/1.1", "GET  /smuggled HTTP/1.1", "GET /\u{0}smuggled HTTP/1.1", "GET /\u{7f} HTTP/1.1",
            "GET /ü HTTP/1.1", "GET", "GET /", "/ GET HTTP/1.1", "G\u{0}T / HTTP/1.1", "G@T / HTTP/1.1",
            "GET / HTTP/2.0", "GET / HTTP/0.9", "GET / http/1.1", "PRI * HTTP/2.0", "GET http:///smuggled:a HTTP/1.1",
            "\u{16}\u{03}\u{01}\u{02}\u{00}\u{01}",
        ])
    func requestLine(line: String) async throws {
        try await Self.server { address, smuggled in
            let connection = try RawConnection(to: address)
            try await connection.send("\(line)\r\nHost: x\r\nConnection: close\r\n\r\n")
            connection.finishSending()
            let said = try await connection.untilClosed()
            #expect(!said.contains(" 200 "), "\(said)")
            #expect(!smuggled.hasFired)
        }
    }

    @Test("bytes that are no UTF-8 are refused in the target, and do no harm in a header")
    func invalidUTF8() async throws {
        try await Self.server { address, _ in
            let target = try RawConnection(to: address)
            try await target.send(Array("GET /".utf8) + [0xff, 0xc3] + Array(" HTTP/1.1\r\nHost: x\r\n\r\n".utf8))
            #expect(try await target.response().status == 400)
            let header = try RawConnection(to: address)
            try await header.send(
                Array("GET / HTTP/1.1\r\nHost: x\r\nX: ".utf8) + [0xff, 0xc3] + Array("\r\n\r\n".utf8))
            #expect(try await header.response().status == 200)
        }
    }

    @Test("what all bodies take together is bounded, and there is room again afterwards")
    func manyBodies() async throws {
        var limits = Limits()
        limits.bodyBytesInAll = 1 << 20
        try await Self.server(limits: limits) { address, _ in
            let size = 300_000
            let part = [UInt8](repeating: 97, count: size)
            var clients: [RawConnection] = []
            for _ in 0..<8 {
                let client = try RawConnection(to: address)
                try await client.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \(size + 1)\r\n\r\n")
                try await client.send(part)
                clients.append(client)
            }
            // Those who came late are refused, once they have sent the rest.
            var statuses: [Int] = []
            for client in clients.reversed() {
                try await client.send("a")
                statuses.append(try await client.response().status)
            }
            #expect(statuses.contains(503))
            #expect(Set(statuses).isSubset(of: [200, 503]))
            #expect(
                try await RawConnection.request("POST", "/", at: address, body: String(repeating: "a", count: size))
                    .status == 200)
        }
    }

    @Test("clients that do not read their answers are let go where those take too much")
    func deafClients() async throws {
        var limits = Limits()
        limits.unreadBytesInAll = 40 << 20
        limits.crowdedTimeout = .milliseconds(100)
        try await Self.server(limits: limits) { address, _ in
            let deaf = try (0..<30).map { _ in try RawConnection(to: address) }
            for client in deaf {
                try await client.send("GET /large HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            }
            // Long enough to be noticed.
            try await Task.sleep(for: .seconds(2))
            var whole = 0
            for client in deaf where try await client.untilClosed().utf8.count > 4 << 20 { whole += 1 }
            #expect((1..<20).contains(whole))
        }
    }
}
