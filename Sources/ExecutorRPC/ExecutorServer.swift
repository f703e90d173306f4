import GRPCTransport
import Runtime
package import RuntimeCore

/// Serves an `ExecutorService` over gRPC. Metadata that identifies a call goes back with its answer.
package final class ExecutorServer: Service {
    package let name = "executor-grpc"
    private let server: GRPCServer

    /// The port that is listened on.
    package var port: Int { server.port }

    /// Listens; calls are answered once `run()` runs.
    ///
    /// - Parameters:
    ///   - address: `host:port`; port 0 takes any free one.
    ///   - maxConcurrentCalls: of each method; more are refused as RESOURCE_EXHAUSTED.
    ///   - drainTimeout: how long a shutdown lets calls run before it cancels them.
    package init(
        address: String, service: any ExecutorService, maxConcurrentCalls: Int = 64,
        drainTimeout: Duration = .seconds(20), logger: Logger
    ) throws {
        var configuration = GRPCServer.Configuration()
        configuration.drainTimeout = drainTimeout
        let methods = [
            Self.method(.executeTask, maxConcurrentCalls) { try await service.executeTask($0, context: $1) },
            Self.method(.settle, maxConcurrentCalls) { try await service.settle($0, context: $1) },
            Self.method(.getTask, maxConcurrentCalls) { try await service.getTask($0, context: $1) },
            GRPCMethod(streaming: ExecutorMethod.watchTask.rawValue, maxConcurrentCalls: maxConcurrentCalls) {
                let context = Self.context($0)
                try await service.watchTask(Self.decoded($0), context: context) { [sender = $1] event in
                    try await sender.send(event.encoded())
                }
                return context.metadata
            },
        ]
        server = try GRPCServer(address: address, methods: methods, configuration: configuration, logger: logger)
    }

    package func run() async throws { try await server.run() }

    package func shutdown() { server.shutdown() }

    private static func method<Request: WireRoot & Sendable, Answer: WireRoot & Sendable>(
        _ method: ExecutorMethod, _ maxConcurrentCalls: Int,
        _ handler: @escaping @Sendable (Request, CallContext) async throws -> Answer
    ) -> GRPCMethod {
        GRPCMethod(method.rawValue, maxConcurrentCalls: maxConcurrentCalls) { call in
            let context = context(call)
            let answer = try await handler(decoded(call), context)
            return GRPCResponse(message: answer.encoded(), metadata: context.metadata)
        }
    }

    private static func decoded<Request: WireRoot>(_ call: GRPCRequest) throws(GRPCError) -> Request {
        do throws(WireError) {
            return try Request(decoding: call.message)
        } catch {
            throw GRPCError(.invalidArgument, String(describing: error))
        }
    }

    private static func context(_ call: GRPCRequest) -> CallContext {
        CallContext(
            requestID: call.metadata[MetadataName.requestID], traceparent: call.metadata[MetadataName.traceparent],
            deadline: call.deadline)
    }
}
