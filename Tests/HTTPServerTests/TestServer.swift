import HTTPServer
import RuntimeCore
import TestSupport

/// Runs a server on a free port of 127.0.0.1 for the length of `body`, and shuts it down.
func withServer<Result>(
    limits: Limits = Limits(), _ build: (inout Router) -> Void,
    _ body: (_ address: SocketAddress, _ server: HTTPServer) async throws -> Result
) async throws -> Result {
    var router = Router()
    build(&router)
    let server = try HTTPServer(
        name: "test", address: SocketAddress(host: "127.0.0.1", port: 0), router: router, limits: limits,
        logger: Logger(level: .warn))
    let running = Task { try await server.run() }
    do {
        let result = try await body(server.address, server)
        server.shutdown()
        try await running.value
        return result
    } catch {
        server.shutdown()
        try await running.value
        throw error
    }
}

/// Something that happens once and is waited for, 20 s at most.
final class Signal: Sendable {
    private let fired = Mutex(false)
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    var hasFired: Bool { fired.withLock { $0 } }

    func fire() {
        fired.withLock { $0 = true }
        continuation.finish()
    }

    /// False when the time is up.
    func wait() async -> Bool {
        let continuation = continuation
        let timer = Task {
            try await Task.sleep(for: .seconds(20))
            continuation.yield()
        }
        defer { timer.cancel() }
        for await _ in stream { return false }
        return true
    }
}
