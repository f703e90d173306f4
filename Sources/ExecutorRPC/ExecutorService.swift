import GRPCTransport
package import RuntimeCore

/// What comes with a call besides its message.
package struct CallContext: Sendable {
    /// From the caller's metadata; the messages that carry a request id of their own agree with it.
    package let requestID: String?
    /// W3C Trace Context of the caller.
    package let traceparent: String?
    /// When the caller gives up; the handler's task is cancelled then. Nil where the caller set none.
    package let deadline: MonotonicTime?

    package init(requestID: String? = nil, traceparent: String? = nil, deadline: MonotonicTime? = nil) {
        self.requestID = requestID
        self.traceparent = traceparent
        self.deadline = deadline
    }

    var metadata: GRPCMetadata {
        var metadata = GRPCMetadata()
        if let requestID { metadata.append(MetadataName.requestID, requestID) }
        if let traceparent { metadata.append(MetadataName.traceparent, traceparent) }
        return metadata
    }
}

/// What an executor does for workers; see executor.proto.
///
/// A call's task is cancelled when its caller cancels, disconnects or lets the deadline pass. Throw `GRPCError` for a status
/// of choice; anything else thrown becomes INTERNAL, which tells the caller nothing about the outcome.
package protocol ExecutorService: Sendable {
    func executeTask(_ request: ExecuteTaskRequest, context: CallContext) async throws -> ExecuteTaskOutcome
    func settle(_ request: SettleRequest, context: CallContext) async throws -> SettleOutcome
    func getTask(_ request: GetTaskRequest, context: CallContext) async throws -> GetTaskResponse
    /// Returns when the attempt has ended and that has been sent.
    ///
    /// - Parameter send: waits while the watcher does not read; throws once it has gone.
    func watchTask(
        _ request: WatchTaskRequest, context: CallContext, send: @escaping @Sendable (TaskEvent) async throws -> Void
    ) async throws
}
