package import GRPCTransport

/// The events of a watched attempt: progress, and at last its outcome; then nil. To be read once, by one task at a time.
///
/// Throws whatever status other than OK the watch ends with: NOT_FOUND where the executor knows of no such attempt (yet),
/// DEADLINE_EXCEEDED or UNAVAILABLE where only the watch is over and not the attempt.
package struct TaskWatch: AsyncSequence, Sendable {
    package typealias Element = TaskEvent
    package typealias Failure = GRPCError

    package struct AsyncIterator: AsyncIteratorProtocol {
        fileprivate var messages: GRPCStream.AsyncIterator
        fileprivate var hasEnded = false

        package mutating func next() async throws(GRPCError) -> TaskEvent? {
            guard let message = try await messages.next() else {
                if hasEnded { return nil }
                throw GRPCError(.internal, "the watch ended before the attempt did")
            }
            do throws(WireError) {
                let event = try TaskEvent(decoding: message)
                if case .ended = event { hasEnded = true }
                return event
            } catch {
                throw GRPCError(.internal, "event of a watch: \(error)")
            }
        }
    }

    private let messages: GRPCStream

    init(_ messages: GRPCStream) { self.messages = messages }

    package func makeAsyncIterator() -> AsyncIterator { AsyncIterator(messages: messages.makeAsyncIterator()) }
}
