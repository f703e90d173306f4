import CGRPC
import Runtime
package import RuntimeCore

/// Serves unary and server-streaming methods on one address.
///
/// `shutdown()` accepts nothing more, lets what runs finish, and after `drainTimeout` cancels it. `run()` returns when every
/// handler has ended.
package final class GRPCServer: Service {
    package struct Configuration: Sendable {
        /// For requests and answers; more ends a call as RESOURCE_EXHAUSTED.
        package var maxMessageBytes = 4 << 20
        package var keepalive = GRPCKeepalive()
        /// The shortest interval at which clients may ask whether the server is there; who asks more often is
        /// disconnected.
        package var minimumPingInterval: Duration = .seconds(1)
        package var drainTimeout: Duration = .seconds(20)

        package init() {}
    }

    package let name = "grpc"
    /// The port that is listened on.
    package let port: Int
    private let acceptor: Acceptor
    private let configuration: Configuration

    /// Listens; calls are answered once `run()` runs.
    ///
    /// - Parameter address: `host:port`; port 0 takes any free one.
    ///
    /// Throws UNAVAILABLE if the address cannot be listened on.
    package init(
        address: String, methods: [GRPCMethod], configuration: Configuration = Configuration(), logger: Logger
    ) throws {
        self.configuration = configuration
        let queue = try CompletionQueue(threadName: "grpc-server")
        let server = ServerHandle(Self.arguments(configuration, methods), queue: queue)
        acceptor = Acceptor(server: server, methods: methods, logger: logger)
        guard let port = server.listen(address) else {
            acceptor.shutdown(cancellingAfter: .zero)
            throw GRPCError(.unavailable, "cannot listen on \(address)")
        }
        self.port = port
    }

    deinit { acceptor.shutdown(cancellingAfter: .zero) }

    private static func arguments(_ configuration: Configuration, _ methods: [GRPCMethod]) -> ChannelArguments {
        var arguments = ChannelArguments()
        arguments.set(maxMessageBytes: configuration.maxMessageBytes)
        arguments.set(configuration.keepalive)
        arguments.set(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, configuration.minimumPingInterval)
        // Room to refuse calls over the bound, but not for any number of them.
        let calls = methods.map(\.maxConcurrentCalls).reduce(0, +)
        arguments.set(GRPC_ARG_MAX_CONCURRENT_STREAMS, 2 * calls + 16)
        // Else a second program on the same port would silently take half of the calls.
        arguments.set(GRPC_ARG_ALLOW_REUSEPORT, 0)
        return arguments
    }

    /// Serves until shut down, or cancelled: then the handlers' tasks are cancelled too. To be called once.
    package func run() async throws {
        acceptor.start()
        await withTaskCancellationHandler {
            await acceptor.ended()
        } onCancel: {
            acceptor.shutdown(cancellingAfter: .zero)
        }
    }

    package func shutdown() { acceptor.shutdown(cancellingAfter: configuration.drainTimeout) }
}
