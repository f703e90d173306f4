import GRPCTransport
import RuntimeCore
import Testing

@Suite("A connection")
struct ConnectionTests {
    /// An address of 127.0.0.1 where nobody listens.
    private static func freeAddress() throws -> String {
        try GRPCServer(address: "127.0.0.1:0", methods: [echo], logger: quiet).address
    }

    @Test("to nobody is UNAVAILABLE at once")
    func unreachable() async throws {
        let client = try GRPCClient(address: Self.freeAddress())
        let begun = MonotonicTime.now
        #expect(await status { try await client.call("/test.Test/Echo", [], timeout: .seconds(30)) } == .unavailable)
        #expect(MonotonicTime.now - begun < .seconds(5))
    }

    @Test("to a name that cannot be resolved is UNAVAILABLE", arguments: ["", "127.0.0.1:port", "a b c:1"])
    func nonsense(address: String) async throws {
        let client = try GRPCClient(address: address)
        #expect(await status { try await client.call("/test.Test/Echo", [], timeout: .seconds(10)) } != .ok)
    }

    @Test("is made again when the server comes back on the same port")
    func reconnects() async throws {
        let address = try Self.freeAddress()
        let client = try GRPCClient(address: address)
        let call = { @Sendable in try await client.call("/test.Test/Echo", [], timeout: .seconds(10)) }
        for _ in 0..<3 {
            try await withServer([echo], address: address) { _ in try await eventually(.ok, call) }
            try await eventually(.unavailable, call)
        }
    }

    @Test("cannot be offered where another program listens")
    func addressInUse() async throws {
        try await withServer([echo]) { server in
            _ = #expect(throws: GRPCError(.unavailable, "cannot listen on \(server.address)")) {
                try GRPCServer(address: server.address, methods: [echo], logger: Logger(level: .error, descriptor: -1))
            }
        }
    }
}
