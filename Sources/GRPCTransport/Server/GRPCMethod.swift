/// A method of a server: one message comes in, one or any number go out.
package struct GRPCMethod: Sendable {
    package typealias Handler = @Sendable (GRPCRequest) async throws -> GRPCResponse
    /// Sends messages one after the other; what it returns goes out as trailing metadata.
    package typealias StreamHandler = @Sendable (GRPCRequest, GRPCSender) async throws -> GRPCMetadata

    enum Kind: Sendable {
        case unary(Handler)
        case serverStreaming(StreamHandler)
    }

    /// `/package.Service/Method`.
    let path: String
    let maxConcurrentCalls: Int
    let kind: Kind

    /// A unary method.
    ///
    /// - Parameters:
    ///   - maxConcurrentCalls: one more is refused as RESOURCE_EXHAUSTED. Each method has its own bound, so that long calls of
    ///     one leave room for another.
    ///   - handler: its task is cancelled when the caller cancels, disconnects or lets the deadline pass. `GRPCError` ends the
    ///     call with that status, `CancellationError` as CANCELED, anything else as INTERNAL.
    package init(_ path: String, maxConcurrentCalls: Int, handler: @escaping Handler) {
        self.init(path, maxConcurrentCalls, .unary(handler))
    }

    /// A server-streaming method; else as above. What was sent before an error has arrived all the same.
    package init(streaming path: String, maxConcurrentCalls: Int, handler: @escaping StreamHandler) {
        self.init(path, maxConcurrentCalls, .serverStreaming(handler))
    }

    private init(_ path: String, _ maxConcurrentCalls: Int, _ kind: Kind) {
        precondition(maxConcurrentCalls > 0, "a method needs room for one call")
        self.path = path
        self.maxConcurrentCalls = maxConcurrentCalls
        self.kind = kind
    }
}
