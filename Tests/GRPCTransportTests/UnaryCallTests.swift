import GRPCTransport
import RuntimeCore
import Testing

@Suite("A unary call")
struct UnaryCallTests {
    @Test("brings the message there and the answer back, whatever its size", arguments: [0, 1, 15, 16, 100, 1 << 20])
    func echoes(size: Int) async throws {
        let message = (0..<size).map { UInt8(truncatingIfNeeded: $0) }
        let answer = try await withServer([echo]) { server in
            try await GRPCClient(address: server.address).call("/test.Echo/Echo", message, timeout: .seconds(10))
        }
        #expect(answer.message == message)
    }
}
