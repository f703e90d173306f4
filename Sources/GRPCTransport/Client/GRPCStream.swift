/// The messages of a server-streaming call, in order. To be read once, by one task at a time.
///
/// A message is taken off the connection when it is asked for: HTTP/2's flow control holds up a server that is faster than its
/// reader. After the last message comes nil; a call that ends with another status than OK throws it. Cancelling the reading
/// task, or letting go of the stream, cancels the call on both sides.
package struct GRPCStream: AsyncSequence, Sendable {
    package typealias Element = [UInt8]
    package typealias Failure = GRPCError

    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate let call: StreamingCall

        package func next() async throws(GRPCError) -> [UInt8]? { try await call.next() }
    }

    private let call: StreamingCall

    init(_ call: StreamingCall) { self.call = call }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(call: call) }
}
