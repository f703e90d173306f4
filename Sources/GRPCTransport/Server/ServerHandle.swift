import CGRPC

/// Owns a server of the C core and the queue of its calls.
///
/// Must be shut down before the last reference goes: the C core demands it.
final class ServerHandle: @unchecked Sendable {
    // Unchecked: the C core's servers may be used from any thread once they are set up.
    private let raw: OpaquePointer
    let queue: CompletionQueue

    init(_ arguments: ChannelArguments, queue: CompletionQueue) {
        guard let raw = arguments.withRaw({ grpc_server_create($0, nil) }) else {
            preconditionFailure("grpc_server_create answered NULL")
        }
        self.raw = raw
        self.queue = queue
        grpc_server_register_completion_queue(raw, queue.raw, nil)
    }

    deinit { grpc_server_destroy(raw) }

    /// The port, or nil if the address cannot be listened on.
    func listen(_ address: String) -> Int? {
        let credentials = grpc_insecure_server_credentials_create()
        defer { grpc_server_credentials_release(credentials) }
        let port = grpc_server_add_http2_port(raw, address, credentials)
        return port > 0 ? Int(port) : nil
    }

    /// Before `start()`; the handle is good as long as the server. Nil if the path is registered already.
    func register(_ path: String) -> UnsafeMutableRawPointer? {
        grpc_server_register_method(raw, path, nil, GRPC_SRM_PAYLOAD_READ_INITIAL_BYTE_BUFFER, 0)
    }

    func start() { grpc_server_start(raw) }

    /// Waits for the next call of a registered method, or of any other method where `method` is nil. `body` gets nil when the
    /// server is shut down.
    func requestCall(of method: UnsafeMutableRawPointer?, _ body: @escaping @Sendable (ArrivedCall?) -> Void) {
        let arrived = ArrivedCall()
        let tag = queue.tag { success in body(success ? arrived : nil) }
        let error = arrived.request(from: raw, method, queue.raw, tag)
        if error != GRPC_CALL_OK { queue.take(tag)?.body(false) }
    }

    /// Accepts nothing more; `drained` runs when every connection has come to its end.
    func shutdown(_ drained: @escaping @Sendable () -> Void) {
        let tag = queue.tag { _ in withExtendedLifetime(self) { drained() } }
        grpc_server_shutdown_and_notify(raw, queue.raw, tag)
    }

    /// After `shutdown` only.
    func cancelAllCalls() { grpc_server_cancel_all_calls(raw) }
}
