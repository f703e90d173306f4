private import Dispatch
private import Glibc

/// Hears signals on a queue of its own; their default action is off while it lives.
package final class SignalSource: @unchecked Sendable {
    // Unchecked: the sources are made once and only cancelled afterwards, which Dispatch allows from any thread.
    private let sources: [any DispatchSourceSignal]

    package init(_ numbers: [CInt], handler: @escaping @Sendable (CInt) -> Void) {
        let queue = DispatchQueue(label: "signals")
        let isHeard = DispatchGroup()
        sources = numbers.map { number in
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { handler(number) }
            // Until then the default action stays: a signal that is ignored meanwhile would be lost.
            isHeard.enter()
            source.setRegistrationHandler { isHeard.leave() }
            source.resume()
            return source
        }
        isHeard.wait()
    }

    package func cancel() { sources.forEach { $0.cancel() } }
}
