import GRPCTransport
import RuntimeCore
import Testing

@Suite("A server that is shut down")
struct ShutdownTests {
    private static func serve(_ server: GRPCServer) -> (task: Task<Void, any Error>, ended: Gate) {
        let ended = Gate()
        let task = Task {
            try await server.run()
            ended.open()
        }
        return (task, ended)
    }

    @Test("finishes the calls that run, takes no more, and ends")
    func drains() async throws {
        let stall = Stall()
        let server = try GRPCServer(address: "127.0.0.1:0", methods: [stall.method(), echo], logger: quiet)
        let (_, ended) = Self.serve(server)
        let client = try GRPCClient(address: server.address)
        async let running = client.call("/test.Test/Stall", [9], timeout: .seconds(30))
        await expectOpen(stall.begun, "the call runs")
        server.shutdown()
        let late = try GRPCClient(address: server.address)
        try await eventually(.unavailable) { try await late.call("/test.Test/Echo", [], timeout: .seconds(5)) }
        stall.released.open()
        #expect(try await running.message == [9])
        await expectOpen(ended, "run() returns")
    }

    @Test("before it runs never serves, and ends")
    func early() async throws {
        for _ in 0..<20 {
            let server = try GRPCServer(address: "127.0.0.1:0", methods: [echo], logger: quiet)
            server.shutdown()
            let (_, ended) = Self.serve(server)
            await expectOpen(ended, "run() returns")
        }
    }

    @Test("cancels what still runs after the drain timeout, and ends")
    func drainTimeout() async throws {
        let stall = Stall()
        var configuration = GRPCServer.Configuration()
        configuration.drainTimeout = .milliseconds(50)
        let server = try GRPCServer(
            address: "127.0.0.1:0", methods: [stall.method()], configuration: configuration, logger: quiet)
        let (_, ended) = Self.serve(server)
        let client = try GRPCClient(address: server.address)
        async let running = status { try await client.call("/test.Test/Stall", [9], timeout: .seconds(30)) }
        await expectOpen(stall.begun, "the call runs")
        server.shutdown()
        await expectOpen(stall.canceled, "the handler's task is cancelled")
        await expectOpen(ended, "run() returns")
        #expect(await [.unavailable, .canceled].contains(running))
    }

    @Test("by cancelling run() cancels its handlers, and waits for them")
    func canceled() async throws {
        let stall = Stall()
        let lastWords = Gate()
        let stubborn = GRPCMethod("/test.Test/Stubborn", maxConcurrentCalls: 1) { _ in
            stall.begun.open()
            do { try await stall.released.wait() } catch { stall.canceled.open() }
            // Cleaning up takes its time, whoever has given up waiting.
            await Task { try? await lastWords.wait() }.value
            return GRPCResponse(message: [])
        }
        let server = try GRPCServer(address: "127.0.0.1:0", methods: [stubborn], logger: quiet)
        let (task, ended) = Self.serve(server)
        let client = try GRPCClient(address: server.address)
        async let running = status { try await client.call("/test.Test/Stubborn", [], timeout: .seconds(30)) }
        await expectOpen(stall.begun, "the call runs")
        task.cancel()
        await expectOpen(stall.canceled, "the handler's task is cancelled")
        #expect(await [.unavailable, .canceled].contains(running))
        lastWords.open()
        await expectOpen(ended, "run() returns")
    }

    @Test("before it ever ran frees its port")
    func neverRan() async throws {
        var server: GRPCServer? = try GRPCServer(address: "127.0.0.1:0", methods: [echo], logger: quiet)
        let address = try #require(server).address
        server = nil
        let deadline = MonotonicTime.now + .seconds(20)
        while true {
            do {
                _ = try GRPCServer(address: address, methods: [echo], logger: quiet)
                return
            } catch let error as GRPCError where error.status == .unavailable && deadline.remaining > .zero {
                try await Task.sleep(for: .milliseconds(5))
            }
        }
    }
}
