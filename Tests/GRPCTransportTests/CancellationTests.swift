import GRPCTransport
import RuntimeCore
import Testing

@Suite("A call that is given up")
struct CancellationTests {
    @Test("at its deadline ends as DEADLINE_EXCEEDED, and the handler's task is cancelled")
    func deadline() async throws {
        let stall = Stall()
        try await withServer([stall.method()]) { server in
            let client = try GRPCClient(address: server.address)
            // On a slow machine the deadline may pass before the call has arrived.
            for _ in 0..<20 where !stall.begun.isOpen {
                let ended = await status { try await client.call("/test.Test/Stall", [], timeout: .milliseconds(500)) }
                #expect(ended == .deadlineExceeded)
            }
            await expectOpen(stall.canceled, "the handler's task is cancelled")
        }
    }

    @Test("by cancelling its task ends as CANCELED, and the handler's task is cancelled")
    func canceled() async throws {
        let stall = Stall()
        try await withServer([stall.method()]) { server in
            let client = try GRPCClient(address: server.address)
            let call = Task { try await client.call("/test.Test/Stall", [], timeout: nil) }
            await expectOpen(stall.begun, "the call runs")
            call.cancel()
            #expect(await status { try await call.value } == .canceled)
            await expectOpen(stall.canceled, "the handler's task is cancelled")
        }
    }

    @Test("before it is made ends as CANCELED")
    func canceledBefore() async throws {
        try await withServer([echo]) { server in
            let client = try GRPCClient(address: server.address)
            let go = Gate()
            let call = Task {
                try? await go.wait()
                return try await client.call("/test.Test/Echo", [], timeout: nil)
            }
            call.cancel()
            #expect(await status { try await call.value } == .canceled)
        }
    }

    @Test("at any moment of its life ends, and frees its place")
    func canceledAnytime() async throws {
        let work = GRPCMethod("/test.Test/Work", maxConcurrentCalls: 32) { request in
            for _ in 0..<request.message.count { await Task.yield() }
            return GRPCResponse(message: request.message)
        }
        try await withServer([work]) { server in
            let client = try GRPCClient(address: server.address)
            for round in 0..<100 {
                await withTaskGroup(of: GRPCStatus.self) { group in
                    for index in 0..<10 {
                        group.addTask {
                            let message = [UInt8](repeating: 0, count: index * 4)
                            return await status {
                                try await client.call("/test.Test/Work", message, timeout: .seconds(20))
                            }
                        }
                    }
                    for _ in 0..<(round % 40) { await Task.yield() }
                    group.cancelAll()
                    // RESOURCE_EXHAUSTED: handlers of the round before are still on their way out.
                    for await ended in group { #expect([.ok, .canceled, .resourceExhausted].contains(ended)) }
                }
            }
            // None of the places is lost.
            try await eventually(.ok) {
                try await withThrowingTaskGroup(of: GRPCResponse.self) { group in
                    for _ in 0..<32 {
                        group.addTask { try await client.call("/test.Test/Work", [0], timeout: .seconds(20)) }
                    }
                    try await group.waitForAll()
                }
                return GRPCResponse(message: [])
            }
        }
    }

    @Test("leaves the deadline with the handler")
    func deadlineArrives() async throws {
        let left = GRPCMethod("/test.Test/Left", maxConcurrentCalls: 1) { request in
            GRPCResponse(message: request.deadline.map { Array("\($0.remaining.wholeMilliseconds)".utf8) } ?? [])
        }
        try await withServer([left]) { server in
            let client = try GRPCClient(address: server.address)
            let timed = try await client.call("/test.Test/Left", [], timeout: .seconds(90)).message
            let milliseconds = try #require(Int(String(decoding: timed, as: UTF8.self)))
            // On the wire it has three digits, rounded up.
            #expect((60_000...90_200).contains(milliseconds))
            #expect(try await !client.call("/test.Test/Left", [], timeout: .seconds(1 << 40)).message.isEmpty)
            #expect(try await client.call("/test.Test/Left", [], timeout: nil).message.isEmpty)
        }
    }
}
