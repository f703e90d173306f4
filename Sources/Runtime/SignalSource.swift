private import Dispatch
private import Glibc

/// Hears signals on a queue of its own; their default action is off while it lives.
package final class SignalSource: @unchecked Sendable {
    // Unchecked: the sources are made once and only cancelled afterwards, which Dispatch allows from any thread.
    private let sources: [any DispatchSourceSignal]

    package init(_ numbers: [CInt], handler: @escaping @Sendable (CInt) -> Void) {
        let queue = DispatchQueue(label: "signals")
        sources = numbers.map { number in
            signal(number, SIG_IGN)
            let source = DispatchSource.makeSignalSource(signal: number, queue: queue)
            source.setEventHandler { handler(number) }
            source.resume()
            return source
        }
    }

    package func cancel() { sources.forEach { $0.cancel() } }
}
