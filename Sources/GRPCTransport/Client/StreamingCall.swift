import CGRPC
import RuntimeCore

/// A server-streaming call on the client's side. Whoever lets go of it cancels the call.
final class StreamingCall: Sendable {
    private let call: Call
    private let end = StreamEnd()
    /// The queue must not be shut down while operations are started on it.
    private let client: GRPCClient

    /// Starts the call: sends everything there is to send.
    init(_ call: Call, of client: GRPCClient, message: [UInt8], metadata: GRPCMetadata) throws(GRPCError) {
        self.call = call
        self.client = client
        let opening = try StreamOpening(message: message, metadata: metadata)
        try call.start(opening.operations) { _ in withExtendedLifetime(opening) {} }
        let end = end
        try call.start([end.operation]) { _ in end.arrive() }
    }

    deinit { call.cancel() }

    /// The next message; nil at the end of a call that ended with OK.
    func next() async throws(GRPCError) -> [UInt8]? {
        let outcome = await withTaskCancellationHandler {
            await receive()
        } onCancel: {
            call.cancel()
        }
        return try outcome.get()
    }

    private func receive() async -> Result<[UInt8]?, GRPCError> {
        let arriving = ArrivingMessage()
        let received: Result<Bool, GRPCError> = await withCheckedContinuation { continuation in
            do throws(GRPCError) {
                try call.start([arriving.operation]) { continuation.resume(returning: .success($0)) }
            } catch {
                continuation.resume(returning: .failure(error))
            }
        }
        switch received {
        case .failure(let error): return .failure(error)
        case .success(let isReceived):
            guard isReceived, !arriving.isNone else { return await end.outcome() }
            guard let message = arriving.message else { return .failure(GRPCError(.internal, "unreadable message")) }
            return .success(message)
        }
    }
}

/// What a client sends, and the initial metadata that comes back; must live until the batch has completed.
private final class StreamOpening: @unchecked Sendable {
    // Unchecked: `received` is written by the C core alone.
    private let metadata: SentMetadata
    private let message: UnsafeMutablePointer<grpc_byte_buffer>?
    private let received = UnsafeMutablePointer<grpc_metadata_array>.allocate(capacity: 1)

    init(message: [UInt8], metadata: GRPCMetadata) throws(GRPCError) {
        self.metadata = try SentMetadata(metadata)
        self.message = makeByteBuffer(message)
        received.initialize(to: grpc_metadata_array())
        grpc_metadata_array_init(received)
    }

    deinit {
        grpc_byte_buffer_destroy(message)
        grpc_metadata_array_destroy(received)
        received.deallocate()
    }

    var operations: [grpc_op] {
        var receive = grpc_op(GRPC_OP_RECV_INITIAL_METADATA)
        receive.data.recv_initial_metadata.recv_initial_metadata = received
        return [
            .sendInitialMetadata(metadata), .sendMessage(message), grpc_op(GRPC_OP_SEND_CLOSE_FROM_CLIENT), receive,
        ]
    }
}

/// Where the C core puts one message.
private final class ArrivingMessage: @unchecked Sendable {
    // Unchecked: written by the C core before the operation completes, read after that.
    private let buffer = UnsafeMutablePointer<UnsafeMutablePointer<grpc_byte_buffer>?>.allocate(capacity: 1)

    init() { buffer.initialize(to: nil) }

    deinit {
        grpc_byte_buffer_destroy(buffer.pointee)
        buffer.deallocate()
    }

    /// There are no more messages.
    var isNone: Bool { buffer.pointee == nil }
    /// Nil if it cannot be decompressed.
    var message: [UInt8]? { buffer.pointee.flatMap(bytes) }

    var operation: grpc_op {
        var operation = grpc_op(GRPC_OP_RECV_MESSAGE)
        operation.data.recv_message.recv_message = buffer
        return operation
    }
}

/// How the call ended, and who waits to hear it.
private final class StreamEnd: @unchecked Sendable {
    // Unchecked: `received` is written by the C core before `arrive`, and read after that.
    private struct Received {
        var trailingMetadata = grpc_metadata_array()
        var status = GRPC_STATUS_UNKNOWN
        var details = grpc_slice()
    }

    private struct State {
        var hasArrived = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    private let received = UnsafeMutablePointer<Received>.allocate(capacity: 1)
    private let state = Mutex(State())

    init() {
        received.initialize(to: Received())
        grpc_metadata_array_init(&received.pointee.trailingMetadata)
    }

    deinit {
        grpc_metadata_array_destroy(&received.pointee.trailingMetadata)
        grpc_slice_unref(received.pointee.details)
        received.deallocate()
    }

    func arrive() {
        let waiters = state.withLock { state in
            state.hasArrived = true
            defer { state.waiters = [] }
            return state.waiters
        }
        waiters.forEach { $0.resume() }
    }

    /// Nil, for no more messages, or the status that it ended with.
    func outcome() async -> Result<[UInt8]?, GRPCError> {
        await withCheckedContinuation { continuation in
            let hasArrived = state.withLock { state in
                if !state.hasArrived { state.waiters.append(continuation) }
                return state.hasArrived
            }
            if hasArrived { continuation.resume() }
        }
        // A server may answer numbers that no version of gRPC defines.
        let status = GRPCStatus(rawValue: received.pointee.status.rawValue) ?? .unknown
        return status == .ok ? .success(nil) : .failure(GRPCError(status, text(of: received.pointee.details)))
    }

    var operation: grpc_op {
        var operation = grpc_op(GRPC_OP_RECV_STATUS_ON_CLIENT)
        operation.data.recv_status_on_client.trailing_metadata = received.pointer(to: \.trailingMetadata)
        operation.data.recv_status_on_client.status = received.pointer(to: \.status)
        operation.data.recv_status_on_client.status_details = received.pointer(to: \.details)
        return operation
    }
}
