import ExecutorRPC
import GRPCTransport
import RuntimeCore
import Testing

/// An executor that does nothing but answer what the test says.
struct ScriptedExecutor: ExecutorService {
    var onExecute: @Sendable (ExecuteTaskRequest, CallContext) async throws -> ExecuteTaskOutcome = { _, _ in
        throw GRPCError(.unimplemented, "not in this test")
    }
    var onSettle: @Sendable (SettleRequest, CallContext) async throws -> SettleOutcome = { _, _ in
        throw GRPCError(.unimplemented, "not in this test")
    }
    var onGet: @Sendable (GetTaskRequest, CallContext) async throws -> GetTaskResponse = { _, _ in
        throw GRPCError(.unimplemented, "not in this test")
    }

    var onWatch:
        @Sendable (WatchTaskRequest, CallContext, @escaping @Sendable (TaskEvent) async throws -> Void) async throws
            -> Void = { _, _, _ in throw GRPCError(.unimplemented, "not in this test") }

    func executeTask(_ request: ExecuteTaskRequest, context: CallContext) async throws -> ExecuteTaskOutcome {
        try await onExecute(request, context)
    }

    func settle(_ request: SettleRequest, context: CallContext) async throws -> SettleOutcome {
        try await onSettle(request, context)
    }

    func getTask(_ request: GetTaskRequest, context: CallContext) async throws -> GetTaskResponse {
        try await onGet(request, context)
    }

    func watchTask(
        _ request: WatchTaskRequest, context: CallContext, send: @escaping @Sendable (TaskEvent) async throws -> Void
    ) async throws {
        try await onWatch(request, context, send)
    }
}

/// Runs `body` beside an executor on a free port of 127.0.0.1, and ends it.
func withExecutor<Result: Sendable>(
    _ service: ScriptedExecutor, _ body: @Sendable (String) async throws -> Result
) async throws -> Result {
    let server = try ExecutorServer(address: "127.0.0.1:0", service: service, logger: Logger(level: .error))
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { try await server.run() }
        defer { group.cancelAll() }
        return try await body("127.0.0.1:\(server.port)")
    }
}
