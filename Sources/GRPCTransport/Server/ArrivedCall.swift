import CGRPC

/// Where the C core puts a call that has arrived.
final class ArrivedCall: @unchecked Sendable {
    // Unchecked: written by the C core until the request for a call completes, read once after that.
    private struct Slots {
        var call: OpaquePointer?
        var metadata = grpc_metadata_array()
        var deadline = gpr_timespec()
        var message: UnsafeMutablePointer<grpc_byte_buffer>?
        var details = grpc_call_details()
    }

    private let slots: UnsafeMutablePointer<Slots>

    init() {
        slots = .allocate(capacity: 1)
        slots.initialize(to: Slots())
        grpc_metadata_array_init(&slots.pointee.metadata)
        grpc_call_details_init(&slots.pointee.details)
    }

    deinit {
        grpc_metadata_array_destroy(&slots.pointee.metadata)
        grpc_call_details_destroy(&slots.pointee.details)
        grpc_byte_buffer_destroy(slots.pointee.message)
        slots.deallocate()
    }

    func request(
        from server: OpaquePointer, _ method: UnsafeMutableRawPointer?, _ queue: OpaquePointer,
        _ tag: UnsafeMutableRawPointer
    ) -> grpc_call_error {
        guard let method else {
            return grpc_server_request_call(
                server, slots.pointer(to: \.call), slots.pointer(to: \.details), slots.pointer(to: \.metadata), queue,
                queue, tag)
        }
        return grpc_server_request_registered_call(
            server, method, slots.pointer(to: \.call), slots.pointer(to: \.deadline), slots.pointer(to: \.metadata),
            slots.pointer(to: \.message), queue, queue, tag)
    }

    /// The call itself, with what it says; once. The request is nil if the caller sent no message.
    func take(from queue: CompletionQueue) -> (call: Call, request: GRPCRequest?)? {
        guard let raw = slots.pointee.call else { return nil }
        slots.pointee.call = nil
        // The elements of metadata belong to the call: copied while it is alive.
        let call = Call(owning: raw, on: queue)
        var metadata = GRPCMetadata()
        metadata.append(contentsOf: slots.pointee.metadata)
        guard let buffer = slots.pointee.message, let message = bytes(of: buffer) else { return (call, nil) }
        let deadline = monotonicTime(slots.pointee.deadline)
        return (call, GRPCRequest(message: message, metadata: metadata, deadline: deadline))
    }

    /// The path of a call that belongs to no registered method.
    var path: String { text(of: slots.pointee.details.method) }
}
