import GRPCTransport
import RuntimeCore
import Testing

@Suite("A unary call")
struct UnaryCallTests {
    @Test("brings the message there and the answer back, whatever its size", arguments: [0, 1, 15, 16, 100, 1 << 20])
    func size(bytes: Int) async throws {
        let message = (0..<bytes).map { UInt8(truncatingIfNeeded: $0) }
        let answer = try await withServer([echo]) { server in
            try await GRPCClient(address: server.address).call("/test.Test/Echo", message, timeout: .seconds(10))
        }
        #expect(answer.message == message)
    }

    @Test("carries metadata both ways, in order")
    func metadata() async throws {
        let metadata: GRPCMetadata = ["x-request-id": "request 1", "traceparent": "00-ab-cd-01", "x-request-id": "2"]
        let answer = try await withServer([echo]) { server in
            try await GRPCClient(address: server.address).call(
                "/test.Test/Echo", [1], metadata: metadata, timeout: .seconds(10))
        }
        #expect(answer.metadata.entries.filter { $0.name == "x-request-id" }.map(\.value) == ["request 1", "2"])
        #expect(answer.metadata["traceparent"] == "00-ab-cd-01")
    }

    @Test(
        "with metadata that HTTP/2 cannot carry is refused before it is sent",
        arguments: [("Upper", "x"), ("spa ce", "x"), ("name", "line\nbreak"), ("name", "ümlaut"), ("name-bin", "x")])
    func illegalMetadata(name: String, value: String) async throws {
        let ended = try await withServer([echo]) { server in
            let client = try GRPCClient(address: server.address)
            return await status {
                try await client.call("/test.Test/Echo", [], metadata: [name: value], timeout: .seconds(10))
            }
        }
        #expect(ended == .invalidArgument)
    }

    @Test("whose answer has metadata that HTTP/2 cannot carry ends, and not as OK")
    func illegalAnswer() async throws {
        let method = GRPCMethod("/test.Test/Bad", maxConcurrentCalls: 1) { _ in
            GRPCResponse(message: [], metadata: ["Upper": "x"])
        }
        let ended = try await withServer([method]) { server in
            let client = try GRPCClient(address: server.address)
            return await status { try await client.call("/test.Test/Bad", [], timeout: .seconds(10)) }
        }
        #expect(ended == .internal)
    }

    @Test("ends with the status and words that its handler throws")
    func thrownStatus() async throws {
        struct Unforeseen: Error {}
        let method = GRPCMethod("/test.Test/Throw", maxConcurrentCalls: 1) { request in
            switch request.message {
            case [0]: throw GRPCError(.failedPrecondition, "erst der Schnappschuß — 先快照")
            case [1]: throw CancellationError()
            case [2]: throw GRPCError(.ok, "not an error")
            default: throw Unforeseen()
            }
        }
        try await withServer([method]) { server in
            let client = try GRPCClient(address: server.address)
            await #expect(throws: GRPCError(.failedPrecondition, "erst der Schnappschuß — 先快照")) {
                try await client.call("/test.Test/Throw", [0], timeout: .seconds(10))
            }
            #expect(await status { try await client.call("/test.Test/Throw", [1], timeout: .seconds(10)) } == .canceled)
            #expect(await status { try await client.call("/test.Test/Throw", [2], timeout: .seconds(10)) } == .internal)
            await #expect(throws: GRPCError(.internal, "Unforeseen()")) {
                try await client.call("/test.Test/Throw", [3], timeout: .seconds(10))
            }
        }
    }

    @Test("keeps its status when the words that go with it are too long for HTTP/2")
    func longWords() async throws {
        let method = GRPCMethod("/test.Test/Throw", maxConcurrentCalls: 1) { _ in
            throw GRPCError(.aborted, String(repeating: "长", count: 100_000))
        }
        let ended = try await withServer([method]) { server in
            let client = try GRPCClient(address: server.address)
            return await status { try await client.call("/test.Test/Throw", [], timeout: .seconds(10)) }
        }
        #expect(ended == .aborted)
    }

    @Test("of a method that is not there is UNIMPLEMENTED")
    func unknownMethod() async throws {
        try await withServer([echo]) { server in
            let client = try GRPCClient(address: server.address)
            for _ in 0..<20 {
                await #expect(throws: GRPCError(.unimplemented, "no method /test.Test/Nothing")) {
                    try await client.call("/test.Test/Nothing", [1], timeout: .seconds(10))
                }
            }
        }
    }

    @Test("with a message over the bound is RESOURCE_EXHAUSTED, and the next is served", arguments: [true, false])
    func oversized(request: Bool) async throws {
        let grow = GRPCMethod("/test.Test/Grow", maxConcurrentCalls: 4) { _ in
            GRPCResponse(message: [UInt8](repeating: 1, count: 2000))
        }
        var narrow = GRPCServer.Configuration()
        if request { narrow.maxMessageBytes = 1000 }
        try await withServer([echo, grow], configuration: narrow) { server in
            var configuration = GRPCClient.Configuration()
            if !request { configuration.maxMessageBytes = 1000 }
            let client = try GRPCClient(address: server.address, configuration: configuration)
            let method = request ? "/test.Test/Echo" : "/test.Test/Grow"
            let message = [UInt8](repeating: 1, count: request ? 2000 : 1)
            #expect(
                await status { try await client.call(method, message, timeout: .seconds(10)) } == .resourceExhausted)
            let answer = try await client.call("/test.Test/Echo", [7], timeout: .seconds(10))
            #expect(answer.message == [7])
        }
    }

    @Test("over the bound of its method is refused at once; other methods, and later calls, are served")
    func concurrencyBound() async throws {
        let stall = Stall()
        try await withServer([stall.method(maxConcurrentCalls: 1), echo]) { server in
            let client = try GRPCClient(address: server.address)
            let first = Task { try await client.call("/test.Test/Stall", [1], timeout: .seconds(30)) }
            await expectOpen(stall.begun, "the first call runs")
            #expect(
                await status { try await client.call("/test.Test/Stall", [2], timeout: .seconds(30)) }
                    == .resourceExhausted)
            #expect(try await client.call("/test.Test/Echo", [3], timeout: .seconds(30)).message == [3])
            stall.released.open()
            #expect(try await first.value.message == [1])
            try await eventually(.ok) { try await client.call("/test.Test/Stall", [4], timeout: .seconds(30)) }
        }
    }
}
