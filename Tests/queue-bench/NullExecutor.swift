import ExecutorRPC
import GRPCTransport
import Runtime
import RuntimeCore

/// Answers every call at once, without touching anything.
struct NullExecutor: ExecutorService {
    /// Until SIGTERM; the first line of its output is its address.
    static func serve() async throws {
        let logger = Logger(level: .error)
        let server = try ExecutorServer(address: "127.0.0.1:0", service: NullExecutor(), logger: logger)
        print("127.0.0.1:\(server.port)")
        try flushStandardOutput()
        try await ServiceGroup([server], shutdownTimeout: .seconds(5), logger: logger).run()
    }

    func executeTask(_ request: ExecuteTaskRequest, context: CallContext) async throws -> ExecuteTaskOutcome {
        guard case .snapshotCreate(let snapshotID, _) = request.operation else {
            throw GRPCError(.unimplemented, "only snapshots")
        }
        let receipt = Receipt(acknowledgements: [], consistency: "quiesced", windowMilliseconds: 0)
        return .result(
            .snapshotCreate(
                SnapshotCreateResult(
                    snapshotID: snapshotID, fsPath: "snapshots/\(snapshotID)", engine: "null", entries: 0,
                    receipt: receipt)))
    }

    func settle(_ request: SettleRequest, context: CallContext) async throws -> SettleOutcome { .notPublished }

    func getTask(_ request: GetTaskRequest, context: CallContext) async throws -> GetTaskResponse { .idle }

    func watchTask(
        _ request: WatchTaskRequest, context: CallContext, send: @escaping @Sendable (TaskEvent) async throws -> Void
    ) async throws { throw GRPCError(.notFound, "nothing lasts long enough to be watched") }
}
