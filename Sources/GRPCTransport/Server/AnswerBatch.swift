import CGRPC

/// The end of a call as one batch: status, trailing metadata, and the answer of a unary call. Must live until that has
/// completed.
final class AnswerBatch: @unchecked Sendable {
    // Unchecked: written here, then only read by the C core.
    private let initialMetadata: SentMetadata?
    private let trailingMetadata: SentMetadata
    private let message: UnsafeMutablePointer<grpc_byte_buffer>?
    private let status: GRPCStatus
    private let details: UnsafeMutablePointer<grpc_slice>

    /// A longer text could exceed what a caller accepts as metadata, and hide the status.
    private static let detailsLimit = 2000

    /// The answer of a unary call.
    convenience init(_ answer: Result<GRPCResponse, GRPCError>) {
        self.init(answer.map { ($0.metadata, $0.message) }, withInitialMetadata: true)
    }

    /// The end of a stream, with its trailing metadata.
    ///
    /// - Parameter hasBegun: a message has been sent, and with it the initial metadata.
    convenience init(endOfStream end: Result<GRPCMetadata, GRPCError>, hasBegun: Bool) {
        self.init(end.map { ($0, nil) }, withInitialMetadata: !hasBegun)
    }

    private init(_ end: Result<(GRPCMetadata, [UInt8]?), GRPCError>, withInitialMetadata: Bool) {
        initialMetadata = withInitialMetadata ? SentMetadata() : nil
        let text: String
        switch Self.sendable(end) {
        case .success(let (metadata, answer)):
            trailingMetadata = metadata
            message = answer.flatMap(makeByteBuffer)
            status = .ok
            text = ""
        case .failure(let error):
            trailingMetadata = SentMetadata()
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
        let first = initialMetadata.map { [grpc_op.sendInitialMetadata($0)] } ?? []
        return first + (message.map { [.sendMessage($0)] } ?? []) + [sendStatus]
    }
    /// A handler may answer metadata that cannot be sent; an error has none.
    private static func sendable(
        _ end: Result<(GRPCMetadata, [UInt8]?), GRPCError>
    ) -> Result<(SentMetadata, [UInt8]?), GRPCError> {
        end.flatMap { metadata, message in
            do throws(GRPCError) {
                return .success((try SentMetadata(metadata), message))
            } catch {
                return .failure(GRPCError(.internal, error.message))
            }
        }
    }
}
