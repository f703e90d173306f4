import CGRPC
import RuntimeCore

/// The way back of a server-streaming call.
package final class GRPCSender: Sendable {
    private let call: Call
    private let isBegun = Mutex(false)

    init(_ call: Call) { self.call = call }

    /// Whether the initial metadata has gone out, which happens once.
    var hasBegun: Bool { isBegun.withLock { $0 } }

    /// Sends one message; not to be called again before it has returned.
    ///
    /// Returns once HTTP/2's flow control has let the message through: a slow reader holds the handler up, and takes no memory.
    /// Throws `CancellationError` once the call has ended, however that came about.
    package func send(_ message: [UInt8]) async throws {
        let isFirst = isBegun.withLock { isBegun in
            defer { isBegun = true }
            return !isBegun
        }
        let batch = MessageBatch(message, withInitialMetadata: isFirst)
        let isSent = await withCheckedContinuation { continuation in
            do throws(GRPCError) {
                try call.start(batch.operations) { success in
                    withExtendedLifetime(batch) { continuation.resume(returning: success) }
                }
            } catch {
                // The server is shut down: nobody is there to be answered.
                continuation.resume(returning: false)
            }
        }
        if !isSent { throw CancellationError() }
    }
}

/// One message of a stream; must live until the batch has completed.
private final class MessageBatch: @unchecked Sendable {
    // Unchecked: written here, then only read by the C core.
    private let initialMetadata: SentMetadata?
    private let message: UnsafeMutablePointer<grpc_byte_buffer>?

    init(_ message: [UInt8], withInitialMetadata: Bool) {
        initialMetadata = withInitialMetadata ? SentMetadata() : nil
        self.message = makeByteBuffer(message)
    }

    deinit { grpc_byte_buffer_destroy(message) }

    var operations: [grpc_op] {
        (initialMetadata.map { [.sendInitialMetadata($0)] } ?? []) + [.sendMessage(message)]
    }
}
