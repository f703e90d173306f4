import GRPCTransport
import RuntimeCore
import Testing

let quiet = Logger(level: .error)

/// Runs `body` beside a server on a free port of 127.0.0.1, and ends the server.
func withServer<Result: Sendable>(
    _ methods: [GRPCMethod], address: String = "127.0.0.1:0",
    configuration: GRPCServer.Configuration = GRPCServer.Configuration(),
    _ body: @Sendable (GRPCServer) async throws -> Result
) async throws -> Result {
    let server = try GRPCServer(address: address, methods: methods, configuration: configuration, logger: quiet)
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        let result: Result
        do {
            result = try await body(server)
        } catch {
            group.cancelAll()
            throw error
        }
        group.cancelAll()
        try await group.waitForAll()
        return result
    }
}

extension GRPCServer {
    var address: String { "127.0.0.1:\(port)" }
}

/// A flag that tasks can wait for.
final class Gate: Sendable {
    private let stream: AsyncStream<Void>
    private let continuation: AsyncStream<Void>.Continuation

    init() { (stream, continuation) = AsyncStream.makeStream() }

    func open() { continuation.finish() }

    /// Throws `CancellationError` if the waiting task is cancelled first.
    func wait() async throws {
        for await _ in stream {}
        try Task.checkCancellation()
    }
}

/// The status that `body` ends with.
func status<Result>(_ body: () async throws -> Result) async -> GRPCStatus {
    do {
        _ = try await body()
        return .ok
    } catch let error as GRPCError {
        return error.status
    } catch {
        Issue.record(error)
        return .unknown
    }
}

let echo = GRPCMethod("/test.Echo/Echo", maxConcurrentCalls: 256) { request in
    GRPCResponse(message: request.message, metadata: request.metadata)
}
