package import GRPCTransport
package import RuntimeCore

/// Calls one executor. Keep it as long as the program runs: it holds the connection, and makes it again when it is lost.
///
/// Cancelling the Swift task cancels the call on both sides. Every call throws whatever status other than OK it ends with;
/// see executor.proto for what that says about the outcome.
package final class ExecutorClient: Sendable {
    private let client: GRPCClient

    /// `host:port`, as given.
    package var address: String { client.address }

    /// Does not connect yet. Throws `SystemError` if the client's thread cannot be started.
    package init(
        address: String, configuration: GRPCClient.Configuration = GRPCClient.Configuration()
    ) throws(SystemError) {
        client = try GRPCClient(address: address, configuration: configuration)
    }

    /// - Parameters:
    ///   - traceparent: W3C Trace Context for the executor's log.
    ///   - deadline: how long the attempt may take; the executor gives up after it too.
    package func executeTask(
        _ request: ExecuteTaskRequest, traceparent: String? = nil, deadline: Duration
    ) async throws(GRPCError) -> ExecuteTaskOutcome {
        let context = CallContext(requestID: request.requestID, traceparent: traceparent)
        return try await call(.executeTask, request, context, deadline)
    }

    package func settle(
        _ request: SettleRequest, traceparent: String? = nil, deadline: Duration
    ) async throws(GRPCError) -> SettleOutcome {
        let context = CallContext(requestID: request.requestID, traceparent: traceparent)
        return try await call(.settle, request, context, deadline)
    }

    package func getTask(
        _ request: GetTaskRequest, requestID: String? = nil, traceparent: String? = nil, deadline: Duration
    ) async throws(GRPCError) -> GetTaskResponse {
        try await call(.getTask, request, CallContext(requestID: requestID, traceparent: traceparent), deadline)
    }

    /// Watches an attempt until it ends, the deadline passes, or the reading task is cancelled. The attempt itself goes on in any
    /// case.
    ///
    /// - Parameter deadline: nil is never.
    package func watchTask(
        _ request: WatchTaskRequest, requestID: String? = nil, traceparent: String? = nil, deadline: Duration?
    ) throws(GRPCError) -> TaskWatch {
        let context = CallContext(requestID: requestID, traceparent: traceparent)
        let messages = try client.stream(
            ExecutorMethod.watchTask.rawValue, request.encoded(), metadata: context.metadata, timeout: deadline)
        return TaskWatch(messages)
    }

    private func call<Answer: WireRoot>(
        _ method: ExecutorMethod, _ request: some WireRoot, _ context: CallContext, _ deadline: Duration
    ) async throws(GRPCError) -> Answer {
        let response = try await client.call(
            method.rawValue, request.encoded(), metadata: context.metadata, timeout: deadline)
        do throws(WireError) {
            return try Answer(decoding: response.message)
        } catch {
            throw GRPCError(.internal, "answer of \(method.rawValue): \(error)")
        }
    }
}
