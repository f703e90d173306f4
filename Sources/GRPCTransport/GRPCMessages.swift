package import RuntimeCore

/// A call as its handler sees it.
package struct GRPCRequest: Sendable {
    package let message: [UInt8]
    package let metadata: GRPCMetadata
    /// When the caller gives up; the handler's task is cancelled then. Nil where the caller set none.
    package let deadline: MonotonicTime?
}

/// The answer to a call.
package struct GRPCResponse: Sendable {
    package let message: [UInt8]
    /// Sent as trailing metadata; what a client receives is initial and trailing metadata together.
    package let metadata: GRPCMetadata

    package init(message: [UInt8], metadata: GRPCMetadata = [:]) {
        self.message = message
        self.metadata = metadata
    }
}
