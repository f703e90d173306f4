/// A unary method of a server.
package struct GRPCMethod: Sendable {
    package typealias Handler = @Sendable (GRPCRequest) async throws -> GRPCResponse

    /// `/package.Service/Method`.
    let path: String
    let maxConcurrentCalls: Int
    let handler: Handler

    /// - Parameters:
    ///   - maxConcurrentCalls: one more is refused as RESOURCE_EXHAUSTED. Each method has its own bound, so that long calls of
    ///     one leave room for another.
    ///   - handler: its task is cancelled when the caller cancels, disconnects or lets the deadline pass. `GRPCError` ends the
    ///     call with that status, `CancellationError` as CANCELED, anything else as INTERNAL.
    package init(_ path: String, maxConcurrentCalls: Int, handler: @escaping Handler) {
        precondition(maxConcurrentCalls > 0, "a method needs room for one call")
        self.path = path
        self.maxConcurrentCalls = maxConcurrentCalls
        self.handler = handler
    }
}
