import CGRPC
package import RuntimeCore

/// Calls to one address over one connection, which is made when first needed and made again when it is lost.
///
/// A call never waits for an unreachable server: it ends as UNAVAILABLE, at once while the next attempt to connect is not
/// due. The connection is closed when the last reference to the client and the last call have gone.
package final class GRPCClient: @unchecked Sendable {
    // Unchecked: the C core's channels may be used from any thread.
    package struct Configuration: Sendable {
        /// For requests and answers; more ends a call as RESOURCE_EXHAUSTED.
        package var maxMessageBytes = 4 << 20
        package var keepalive = GRPCKeepalive()
        /// Until an attempt to connect is given up.
        package var connectTimeout: Duration = .seconds(5)
        /// Between attempts to connect: doubles from the first to the second, with jitter.
        package var minimumBackoff: Duration = .milliseconds(100)
        package var maximumBackoff: Duration = .seconds(5)

        package init() {}
    }

    /// `host:port`, as given.
    package let address: String
    private let queue: CompletionQueue
    private let channel: OpaquePointer

    /// Does not connect yet. Throws `SystemError` if the client's thread cannot be started.
    package init(address: String, configuration: Configuration = Configuration()) throws(SystemError) {
        self.address = address
        queue = try CompletionQueue(threadName: "grpc-client")
        let credentials = grpc_insecure_credentials_create()
        defer { grpc_channel_credentials_release(credentials) }
        // An address that cannot be parsed makes a channel whose calls all fail, never nil.
        guard
            let channel = Self.arguments(configuration).withRaw({
                grpc_channel_create("dns:///" + address, credentials, $0)
            })
        else { preconditionFailure("grpc_channel_create answered NULL") }
        self.channel = channel
    }

    deinit {
        grpc_channel_destroy(channel)
        queue.shutdown()
    }

    private static func arguments(_ configuration: Configuration) -> ChannelArguments {
        var arguments = ChannelArguments()
        arguments.set(maxMessageBytes: configuration.maxMessageBytes)
        arguments.set(configuration.keepalive)
        arguments.set(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, configuration.connectTimeout)
        arguments.set(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, configuration.minimumBackoff)
        arguments.set(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, configuration.maximumBackoff)
        // An executor that has moved is found again within seconds, not after the default of 30.
        arguments.set(GRPC_ARG_DNS_MIN_TIME_BETWEEN_RESOLUTIONS_MS, configuration.maximumBackoff)
        arguments.set(GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1)
        // Else equal addresses in one process would share a connection, and http_proxy would reroute it.
        arguments.set(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1)
        arguments.set(GRPC_ARG_ENABLE_HTTP_PROXY, 0)
        return arguments
    }

    /// Calls a method and waits for its answer.
    ///
    /// - Parameters:
    ///   - method: `/package.Service/Method`.
    ///   - timeout: the server is told, and both sides give up after it; nil is never.
    ///
    /// Cancelling the task cancels the call on both sides. Throws whatever status other than OK the call ends with.
    package func call(
        _ method: String, _ message: [UInt8], metadata: GRPCMetadata = [:], timeout: Duration?
    ) async throws(GRPCError) -> GRPCResponse {
        let call = try makeCall(method, timeout)
        let batch = try UnaryBatch(message: message, metadata: metadata)
        let outcome = await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in batch.start(on: call, continuation) }
        } onCancel: {
            call.cancel()
        }
        // The queue must not be shut down while a call is under way.
        withExtendedLifetime(self) {}
        return try outcome.get()
    }

    /// Calls a server-streaming method; parameters as above. The call is on its way when this returns, and lasts no longer
    /// than the stream.
    package func stream(
        _ method: String, _ message: [UInt8], metadata: GRPCMetadata = [:], timeout: Duration?
    ) throws(GRPCError) -> GRPCStream {
        let call = try makeCall(method, timeout)
        return GRPCStream(try StreamingCall(call, of: self, message: message, metadata: metadata))
    }

    private func makeCall(_ method: String, _ timeout: Duration?) throws(GRPCError) -> Call {
        let path = makeSlice(method)
        defer { grpc_slice_unref(path) }
        guard
            let raw = grpc_channel_create_call(
                channel, nil, 0, queue.raw, path, nil, coreDeadline(after: timeout), nil)
        else { throw GRPCError(.internal, "grpc_channel_create_call answered NULL") }
        return Call(owning: raw, on: queue)
    }
}
