import GRPCTransport
import RuntimeCore
import Testing

let quiet = Logger(level: .error)

extension GRPCServer {
    var address: String { "127.0.0.1:\(port)" }
}

/// Runs `body` beside a server on a free port of 127.0.0.1, then ends the server, canceling what still runs.
func withServer<Result: Sendable>(
    _ methods: [GRPCMethod], address: String = "127.0.0.1:0",
    configuration: GRPCServer.Configuration = GRPCServer.Configuration(),
    _ body: @Sendable (GRPCServer) async throws -> Result
) async throws -> Result {
    let server = try GRPCServer(address: address, methods: methods, configuration: configuration, logger: quiet)
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        defer { group.cancelAll() }
        return try await body(server)
    }
}

/// Something that happens once, and that any number of tasks can wait for.
final class Gate: Sendable {
    private struct State {
        var isOpen = false
        var waiters: [Int: CheckedContinuation<Void, any Error>] = [:]
        var nextID = 0
    }

    private let state = Mutex(State())

    var isOpen: Bool { state.withLock { $0.isOpen } }

    func open() {
        let waiters = state.withLock { state in
            defer { state.waiters = [:] }
            state.isOpen = true
            return state.waiters.values
        }
        waiters.forEach { $0.resume() }
    }

    /// Throws `CancellationError` if the waiting task is cancelled first.
    func wait() async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
                let outcome: Result<Void, any Error>? = state.withLock { state in
                    if state.isOpen { return .success(()) }
                    if Task.isCancelled { return .failure(CancellationError()) }
                    state.waiters[id] = continuation
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume(throwing: CancellationError())
        }
    }
}

/// Fails the test and goes on if `gate` is not opened within 20 s.
func expectOpen(_ gate: Gate, _ what: Comment, sourceLocation: SourceLocation = #_sourceLocation) async {
    let opened = await withTaskGroup(of: Bool.self) { group in
        group.addTask { (try? await gate.wait()) != nil }
        group.addTask { (try? await Task.sleep(for: .seconds(20))) == nil }
        defer { group.cancelAll() }
        return await group.next() ?? false
    }
    #expect(opened, what, sourceLocation: sourceLocation)
}

/// The status that a call ends with.
func status<Result>(_ call: () async throws -> Result) async -> GRPCStatus {
    do {
        _ = try await call()
        return .ok
    } catch let error as GRPCError {
        return error.status
    } catch {
        Issue.record(error)
        return .unknown
    }
}

/// Calls again until the call ends with `wanted`, for 20 s.
func eventually(_ wanted: GRPCStatus, _ call: () async throws -> GRPCResponse) async throws {
    let deadline = MonotonicTime.now + .seconds(20)
    while await status(call) != wanted {
        try #require(deadline.remaining > .zero, "the call never ended with \(wanted)")
        try await Task.sleep(for: .milliseconds(5))
    }
}

let echo = GRPCMethod("/test.Test/Echo", maxConcurrentCalls: 256) { request in
    GRPCResponse(message: request.message, metadata: request.metadata)
}

/// A handler that tells when it has begun and when its task has been cancelled, and answers once released.
struct Stall: Sendable {
    let begun = Gate()
    let released = Gate()
    let canceled = Gate()

    func method(_ path: String = "/test.Test/Stall", maxConcurrentCalls: Int = 256) -> GRPCMethod {
        GRPCMethod(path, maxConcurrentCalls: maxConcurrentCalls) { request in
            begun.open()
            do {
                try await released.wait()
            } catch {
                canceled.open()
                throw error
            }
            return GRPCResponse(message: request.message)
        }
    }
}
