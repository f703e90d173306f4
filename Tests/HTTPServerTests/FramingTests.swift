import HTTPServer
import RuntimeCore
import TestSupport
import Testing

@Suite struct FramingTests {
    private static func build(_ router: inout Router) {
        router.on("POST", "/") { request in
            Response(status: 200, contentType: "text/plain", text: "\(request.body.count)")
        }
        router.on("GET", "/") { request in
            Response(status: 200, contentType: "text/plain", text: request.headers["X"] ?? "")
        }
    }

    @Test(
        "a request that two parsers could read differently is refused and the connection closed",
        arguments: [
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 9\r\n\r\nabc",
            "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: user@x\r\n\r\n",
        ])
    func smuggling(request: String) async throws {
        try await withServer(Self.build) { address, _ in
            let connection = try RawConnection(to: address)
            // What follows must not be taken for a request of its own.
            try await connection.send(request + "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            let all = try await connection.untilClosed()
            #expect(all.hasPrefix("HTTP/1.1 400 "))
            #expect(!all.contains(" 200 "))
            #expect(all.lowercased().contains("connection: close"))
        }
    }

    @Test("a transfer coding other than chunked is 501, an unknown version 505")
    func unsupported() async throws {
        try await withServer(Self.build) { address, _ in
            for (request, status) in [
                ("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", "501"),
                ("GET / HTTP/1.2\r\nHost: x\r\n\r\n", "505"),
            ] {
                let connection = try RawConnection(to: address)
                try await connection.send(request)
                #expect(try await connection.untilClosed().hasPrefix("HTTP/1.1 \(status) "))
            }
        }
    }

    @Test("pipelined requests are answered in their order")
    func pipelining() async throws {
        try await withServer(Self.build) { address, _ in
            let connection = try RawConnection(to: address)
            try await connection.send(
                (1...5).map { "GET / HTTP/1.1\r\nHost: x\r\nX: \($0)\r\n\r\n" }.joined())
            for number in 1...5 { #expect(try await connection.response().text == "\(number)") }
        }
    }

    @Test("a chunked body arrives whole")
    func chunked() async throws {
        try await withServer(Self.build) { address, _ in
            let connection = try RawConnection(to: address)
            try await connection.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
            try await connection.send("2\r\nde\r\n0\r\n\r\n")
            let response = try await connection.response()
            #expect(response.text == "5")
            // Where the chunks end is not known to us.
            #expect(response["Connection"] == "close")
        }
    }

    @Test("a body of exactly the limit is taken, one byte more is 413 and the connection stays usable")
    func bodyLimit() async throws {
        try await withServer(Self.build) { address, _ in
            let connection = try RawConnection(to: address)
            for (size, status) in [(1 << 20, 200), ((1 << 20) + 1, 413), (3, 200)] {
                try await connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \(size)\r\n\r\n")
                try await connection.send([UInt8](repeating: 97, count: size))
                #expect(try await connection.response().status == status)
            }
            // The same in chunks, where no length is declared.
            try await connection.send("POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in 0..<5 {
                try await connection.send("40000\r\n" + String(repeating: "a", count: 0x40000) + "\r\n")
            }
            try await connection.send("0\r\n\r\n")
            #expect(try await connection.response().status == 413)
        }
    }

    @Test("a body that is refused is not asked for")
    func expectContinue() async throws {
        try await withServer(Self.build) { address, _ in
            let connection = try RawConnection(to: address)
            try await connection.send(
                "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n")
            let all = try await connection.untilClosed()
            #expect(all.hasPrefix("HTTP/1.1 413 "))
        }
    }

    @Test("a body too large to be drained is refused at once", arguments: ["9000000", "99999999999999999999999"])
    func hugeBody(length: String) async throws {
        try await withServer(Self.build) { address, _ in
            let connection = try RawConnection(to: address)
            try await connection.send("POST / HTTP/1.1\r\nHost: x\r\nContent-Length: \(length)\r\n\r\n")
            #expect(try await connection.untilClosed().hasPrefix("HTTP/1.1 413 "))
        }
    }

    @Test("headers up to 32 KiB are taken, more is 431")
    func headerLimit() async throws {
        try await withServer(Self.build) { address, _ in
            for (size, status) in [(32_000, "200"), (33_000, "431"), (50_000, "431")] {
                let connection = try RawConnection(to: address)
                let line = "X: \(String(repeating: "a", count: 993))\r\n"
                let lines = String(repeating: line, count: size / line.utf8.count)
                try await connection.send("GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\(lines)\r\n")
                #expect(try await connection.untilClosed().hasPrefix("HTTP/1.1 \(status) "))
            }
        }
    }

    @Test("a header block that is broken after its request line leaves nothing behind")
    func brokenHeaders() async throws {
        try await withServer(Self.build) { address, _ in
            for _ in 0..<50 {
                let connection = try RawConnection(to: address)
                try await connection.send("GET / HTTP/1.1\r\nno colon here\r\n\r\n")
                #expect(try await connection.untilClosed().hasPrefix("HTTP/1.1 400 "))
            }
            #expect(try await RawConnection.request("GET", "/", at: address).status == 200)
        }
    }
}
