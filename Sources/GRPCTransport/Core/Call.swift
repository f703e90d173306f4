import CGRPC

/// A call of the C core, on either side.
final class Call: @unchecked Sendable {
    // Unchecked: cancelling is safe on any thread while this object lives, and the callers of `start` take turns.
    private let raw: OpaquePointer
    private let queue: CompletionQueue

    /// Takes ownership of `raw`, a call whose batches complete on `queue`.
    init(owning raw: OpaquePointer, on queue: CompletionQueue) {
        self.raw = raw
        self.queue = queue
    }

    deinit { grpc_call_unref(raw) }

    /// Starts a batch of operations. `completion` runs on the queue's thread, once, unless this throws; it keeps the call
    /// alive. Memory that the operations point to must live until then.
    func start(_ operations: [grpc_op], _ completion: @escaping @Sendable (Bool) -> Void) throws(GRPCError) {
        let tag = queue.tag { success in withExtendedLifetime(self) { completion(success) } }
        let error = grpc_call_start_batch(raw, operations, operations.count, tag, nil)
        guard error == GRPC_CALL_OK else {
            queue.take(tag)
            throw GRPCError(.internal, "grpc_call_start_batch: \(String(cString: grpc_call_error_to_string(error)))")
        }
    }

    /// Ends the call on both sides as CANCELED; does nothing once it has ended.
    func cancel() { _ = grpc_call_cancel(raw, nil) }
}

extension grpc_op {
    init(_ type: grpc_op_type) {
        self.init()
        op = type
    }

    static func sendInitialMetadata(_ metadata: SentMetadata) -> grpc_op {
        var operation = grpc_op(GRPC_OP_SEND_INITIAL_METADATA)
        operation.data.send_initial_metadata.count = metadata.elements.count
        operation.data.send_initial_metadata.metadata = metadata.elements.baseAddress
        return operation
    }

    static func sendMessage(_ buffer: UnsafeMutablePointer<grpc_byte_buffer>?) -> grpc_op {
        var operation = grpc_op(GRPC_OP_SEND_MESSAGE)
        operation.data.send_message.send_message = buffer
        return operation
    }
}
