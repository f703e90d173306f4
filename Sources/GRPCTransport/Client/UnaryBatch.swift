import CGRPC

/// The one batch of a unary call on the client's side: everything that is sent and received.
final class UnaryBatch: @unchecked Sendable {
    // Unchecked: written here before the batch starts, by the C core until it completes, read once after that.
    private struct Received {
        var initialMetadata = grpc_metadata_array()
        var message: UnsafeMutablePointer<grpc_byte_buffer>?
        var trailingMetadata = grpc_metadata_array()
        var status = GRPC_STATUS_UNKNOWN
        var details = grpc_slice()
    }

    private let metadata: SentMetadata
    private let message: UnsafeMutablePointer<grpc_byte_buffer>?
    private let received: UnsafeMutablePointer<Received>

    init(message: [UInt8], metadata: GRPCMetadata) throws(GRPCError) {
        self.metadata = try SentMetadata(metadata)
        self.message = makeByteBuffer(message)
        received = .allocate(capacity: 1)
        received.initialize(to: Received())
        grpc_metadata_array_init(&received.pointee.initialMetadata)
        grpc_metadata_array_init(&received.pointee.trailingMetadata)
    }

    deinit {
        grpc_byte_buffer_destroy(message)
        grpc_byte_buffer_destroy(received.pointee.message)
        grpc_metadata_array_destroy(&received.pointee.initialMetadata)
        grpc_metadata_array_destroy(&received.pointee.trailingMetadata)
        grpc_slice_unref(received.pointee.details)
        received.deallocate()
    }

    func start(on call: Call, _ continuation: CheckedContinuation<Result<GRPCResponse, GRPCError>, Never>) {
        do throws(GRPCError) {
            try call.start(operations) { _ in continuation.resume(returning: self.outcome) }
        } catch {
            continuation.resume(returning: .failure(error))
        }
    }

    private var operations: [grpc_op] {
        var receiveMetadata = grpc_op(GRPC_OP_RECV_INITIAL_METADATA)
        receiveMetadata.data.recv_initial_metadata.recv_initial_metadata = received.pointer(to: \.initialMetadata)
        var receiveMessage = grpc_op(GRPC_OP_RECV_MESSAGE)
        receiveMessage.data.recv_message.recv_message = received.pointer(to: \.message)
        var receiveStatus = grpc_op(GRPC_OP_RECV_STATUS_ON_CLIENT)
        receiveStatus.data.recv_status_on_client.trailing_metadata = received.pointer(to: \.trailingMetadata)
        receiveStatus.data.recv_status_on_client.status = received.pointer(to: \.status)
        receiveStatus.data.recv_status_on_client.status_details = received.pointer(to: \.details)
        return [
            .sendInitialMetadata(metadata), .sendMessage(message), grpc_op(GRPC_OP_SEND_CLOSE_FROM_CLIENT),
            receiveMetadata, receiveMessage, receiveStatus,
        ]
    }

    /// Once the batch has completed. The elements of metadata belong to the call, which is alive until then.
    private var outcome: Result<GRPCResponse, GRPCError> {
        let received = received.pointee
        // A server may answer numbers that no version of gRPC defines.
        let status = GRPCStatus(rawValue: received.status.rawValue) ?? .unknown
        guard status == .ok else { return .failure(GRPCError(status, text(of: received.details))) }
        guard let buffer = received.message, let message = bytes(of: buffer) else {
            return .failure(GRPCError(.internal, "the answer has no message"))
        }
        var metadata = GRPCMetadata()
        metadata.append(contentsOf: received.initialMetadata)
        metadata.append(contentsOf: received.trailingMetadata)
        return .success(GRPCResponse(message: message, metadata: metadata))
    }
}
