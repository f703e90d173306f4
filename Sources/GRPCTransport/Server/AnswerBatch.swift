import CGRPC

/// The answer to a call as one batch; must live until that has completed.
final class AnswerBatch: @unchecked Sendable {
    // Unchecked: written here, then only read by the C core.
    private let initialMetadata: SentMetadata
    private let trailingMetadata: SentMetadata
    private let message: UnsafeMutablePointer<grpc_byte_buffer>?
    private let status: GRPCStatus
    private let details: UnsafeMutablePointer<grpc_slice>

    /// A longer text could exceed what a caller accepts as metadata, and hide the status.
    private static let detailsLimit = 2000

    init(_ answer: Result<GRPCResponse, GRPCError>) throws(GRPCError) {
        initialMetadata = try SentMetadata([:])
        let text: String
        switch answer {
        case .success(let response):
            trailingMetadata = try SentMetadata(response.metadata)
            message = makeByteBuffer(response.message)
            status = .ok
            text = ""
        case .failure(let error):
            trailingMetadata = initialMetadata
            message = nil
            status = error.status
            text = String(decoding: error.message.utf8.prefix(Self.detailsLimit), as: UTF8.self)
        }
        details = .allocate(capacity: 1)
        details.initialize(to: makeSlice(text))
    }

    deinit {
        grpc_byte_buffer_destroy(message)
        grpc_slice_unref(details.pointee)
        details.deallocate()
    }

    var operations: [grpc_op] {
        var sendStatus = grpc_op(GRPC_OP_SEND_STATUS_FROM_SERVER)
        sendStatus.data.send_status_from_server.status = grpc_status_code(status.rawValue)
        sendStatus.data.send_status_from_server.status_details = details
        sendStatus.data.send_status_from_server.trailing_metadata_count = trailingMetadata.elements.count
        sendStatus.data.send_status_from_server.trailing_metadata = trailingMetadata.elements.baseAddress
        let messages = message.map { [grpc_op.sendMessage($0)] } ?? []
        return [.sendInitialMetadata(initialMetadata)] + messages + [sendStatus]
    }
}
