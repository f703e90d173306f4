import GRPCTransport
import RuntimeCore
import Testing

@Suite("A server-streaming call")
struct StreamingCallTests {
    /// Sends as many messages as the request has bytes, each filled with its byte and of 1,000 times its size.
    private static let count = GRPCMethod(streaming: "/test.Test/Count", maxConcurrentCalls: 64) { request, sender in
        for byte in request.message { try await sender.send([UInt8](repeating: byte, count: Int(byte) * 1000)) }
        return request.metadata
    }

    private static func collect(_ stream: GRPCStream) async throws -> [[UInt8]] {
        var messages: [[UInt8]] = []
        for try await message in stream { messages.append(message) }
        return messages
    }

    @Test("brings every message in order, whatever its size, and then ends", arguments: [0, 1, 2, 50])
    func order(messages: Int) async throws {
        let request = (0..<messages).map { UInt8($0) }
        let answer = try await withServer([Self.count]) { server in
            let client = try GRPCClient(address: server.address)
            return try await Self.collect(client.stream("/test.Test/Count", request, timeout: .seconds(20)))
        }
        #expect(answer == request.map { [UInt8](repeating: $0, count: Int($0) * 1000) })
    }

    @Test("that fails halfway brings what was sent, then the status and its words", arguments: [0, 3])
    func failsHalfway(sent: UInt8) async throws {
        let method = GRPCMethod(streaming: "/test.Test/Fail", maxConcurrentCalls: 1) { request, sender in
            for byte in 0..<sent { try await sender.send([byte]) }
            throw GRPCError(.failedPrecondition, "先快照")
        }
        try await withServer([method]) { server in
            let client = try GRPCClient(address: server.address)
            var received: [UInt8] = []
            await #expect(throws: GRPCError(.failedPrecondition, "先快照")) {
                for try await message in try client.stream("/test.Test/Fail", [], timeout: .seconds(20)) {
                    received += message
                }
            }
            #expect(received == Array(0..<sent))
        }
    }

    @Test("whose trailing metadata HTTP/2 cannot carry ends, and not as OK")
    func illegalAnswer() async throws {
        let method = GRPCMethod(streaming: "/test.Test/Bad", maxConcurrentCalls: 1) { _, sender in
            try await sender.send([1])
            return ["Upper": "x"]
        }
        let ended = try await withServer([method]) { server in
            let client = try GRPCClient(address: server.address)
            return await status { try await Self.collect(client.stream("/test.Test/Bad", [], timeout: .seconds(20))) }
        }
        #expect(ended == .internal)
    }

    @Test("holds its handler up while nobody reads, and loses nothing")
    func slowReader() async throws {
        let total = 1000
        let sent = Mutex(0)
        let method = GRPCMethod(streaming: "/test.Test/Flood", maxConcurrentCalls: 1) { _, sender in
            for _ in 0..<total {
                try await sender.send([UInt8](repeating: 7, count: 64 << 10))
                sent.withLock { $0 += 1 }
            }
            return [:]
        }
        try await withServer([method, echo]) { server in
            let client = try GRPCClient(address: server.address)
            let stream = try client.stream("/test.Test/Flood", [], timeout: .seconds(60))
            let messages = stream.makeAsyncIterator()
            #expect(try await messages.next()?.count == 64 << 10)
            // Time enough for far more messages than there is room for on the way.
            for _ in 0..<500 { _ = try await client.call("/test.Test/Echo", [1], timeout: .seconds(20)) }
            #expect(sent.withLock { $0 } < total / 2)
            var received = 1
            while try await messages.next() != nil { received += 1 }
            #expect(received == total)
        }
    }

    /// Sends one message, then nothing more until it is cancelled.
    private static func stalled(_ canceled: Gate) -> GRPCMethod {
        GRPCMethod(streaming: "/test.Test/Stalled", maxConcurrentCalls: 1) { _, sender in
            try await sender.send([1])
            do { try await Task.sleep(for: .seconds(600)) } catch {
                canceled.open()
                throw error
            }
            return [:]
        }
    }

    @Test("ends at its deadline as DEADLINE_EXCEEDED, and the handler's task is cancelled")
    func deadline() async throws {
        let canceled = Gate()
        try await withServer([Self.stalled(canceled)]) { server in
            let client = try GRPCClient(address: server.address)
            var hasBegun = false
            // On a slow machine the deadline may pass before the call has arrived.
            for _ in 0..<20 where !hasBegun {
                let ended = await status {
                    for try await _ in try client.stream("/test.Test/Stalled", [], timeout: .milliseconds(500)) {
                        hasBegun = true
                    }
                }
                #expect(ended == .deadlineExceeded || (!hasBegun && ended == .resourceExhausted))
            }
            await expectOpen(canceled, "the handler's task is cancelled")
        }
    }

    @Test("ends as CANCELED when its reader is cancelled, and the handler's task is cancelled")
    func readerCanceled() async throws {
        let canceled = Gate()
        let begun = Gate()
        try await withServer([Self.stalled(canceled)]) { server in
            let client = try GRPCClient(address: server.address)
            let reader = Task {
                for try await _ in try client.stream("/test.Test/Stalled", [], timeout: nil) { begun.open() }
            }
            await expectOpen(begun, "the first message is there")
            reader.cancel()
            #expect(await status { try await reader.value } == .canceled)
            await expectOpen(canceled, "the handler's task is cancelled")
        }
    }

    @Test("that nobody holds any more is cancelled on both sides", arguments: [false, true])
    func letGo(afterFirst: Bool) async throws {
        let canceled = Gate()
        let begun = Gate()
        let method = GRPCMethod(streaming: "/test.Test/Endless", maxConcurrentCalls: 1) { _, sender in
            begun.open()
            do { while true { try await sender.send([UInt8](repeating: 1, count: 1000)) } } catch {
                canceled.open()
                throw error
            }
        }
        try await withServer([method]) { server in
            let client = try GRPCClient(address: server.address)
            do {
                let stream = try client.stream("/test.Test/Endless", [], timeout: nil)
                await expectOpen(begun, "the call has arrived")
                if afterFirst { for try await _ in stream { break } }
            }
            await expectOpen(canceled, "the handler's task is cancelled")
        }
    }

    @Test("has its place in the bound of its method, and gives it back")
    func bound() async throws {
        let canceled = Gate()
        let begun = Gate()
        try await withServer([Self.stalled(canceled)]) { server in
            let client = try GRPCClient(address: server.address)
            let first = Task {
                for try await _ in try client.stream("/test.Test/Stalled", [], timeout: nil) { begun.open() }
            }
            await expectOpen(begun, "the first call runs")
            #expect(
                await status {
                    try await Self.collect(client.stream("/test.Test/Stalled", [], timeout: .seconds(20)))
                } == .resourceExhausted)
            first.cancel()
            _ = await first.result
            try await eventually(.ok) {
                for try await message in try client.stream("/test.Test/Stalled", [], timeout: .seconds(20)) {
                    return GRPCResponse(message: message)
                }
                throw GRPCError(.internal, "no message")
            }
        }
    }

    @Test("ends when its server is shut down and the drain timeout has passed")
    func shutdown() async throws {
        let canceled = Gate()
        var configuration = GRPCServer.Configuration()
        configuration.drainTimeout = .milliseconds(50)
        try await withServer([Self.stalled(canceled)], configuration: configuration) { server in
            let client = try GRPCClient(address: server.address)
            let ended = await status {
                for try await _ in try client.stream("/test.Test/Stalled", [], timeout: .seconds(60)) {
                    server.shutdown()
                }
            }
            #expect([.unavailable, .canceled].contains(ended))
            await expectOpen(canceled, "the handler's task is cancelled")
        }
    }

    @Test("to where nobody listens is UNAVAILABLE")
    func unavailable() async throws {
        let client = try GRPCClient(address: "127.0.0.1:1")
        let ended = await status {
            try await Self.collect(client.stream("/test.Test/Count", [1], timeout: .seconds(20)))
        }
        #expect(ended == .unavailable)
    }
}
