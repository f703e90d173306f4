private import Glibc
package import RuntimeCore

/// A long-running part of a program.
package protocol Service: Sendable {
    /// For logs.
    var name: String { get }
    /// Works until `shutdown()` has been called and what was under way is done, or until cancelled.
    func run() async throws
    /// Asks `run()` to come to an end; returns at once. Called at most once.
    func shutdown()
}

/// Runs the services of a program until a signal or a failure ends them.
///
/// SIGTERM and SIGINT shut the services down in reverse order of their start, each awaited before the next, so that what
/// others stand on ends last. What has not ended after `shutdownTimeout` is cancelled; a second signal cancels at once.
package struct ServiceGroup: Sendable {
    private let services: [any Service]
    private let shutdownTimeout: Duration
    private let patience: Duration?
    private let logger: Logger

    /// - Parameter patience: how long services that were cancelled are waited for, should they wait for what never comes; nil where
    ///   the program may not end before they have.
    package init(
        _ services: [any Service], shutdownTimeout: Duration, patience: Duration? = nil, logger: Logger
    ) {
        self.services = services
        self.shutdownTimeout = shutdownTimeout
        self.patience = patience
        self.logger = logger
    }

    private enum Event: Sendable {
        case signal(CInt)
        case ended(index: Int, failure: (any Error)?)
        case timeout
        case outOfPatience
    }

    /// Services that did not end although they were cancelled.
    package struct Abandoned: Error, CustomStringConvertible {
        package let services: [String]
        package var description: String { "did not end in time: \(services.joined(separator: ", "))" }
    }

    /// Throws the first failure of a service, after the others have been shut down.
    ///
    /// - Parameter ready: runs as soon as a signal ends all of it in order.
    package func run(ready: () -> Void = {}) async throws {
        let (events, continuation) = AsyncStream.makeStream(of: Event.self)
        let signals = SignalSource([SIGTERM, SIGINT]) { continuation.yield(.signal($0)) }
        defer { signals.cancel() }
        ready()
        let tasks = services.enumerated().map { index, service in
            Task {
                do {
                    try await service.run()
                    continuation.yield(.ended(index: index, failure: nil))
                } catch {
                    continuation.yield(.ended(index: index, failure: error))
                }
            }
        }
        var running = Set(services.indices)
        var stopping: Int?
        var failure: (any Error)?
        var timer: Task<Void, Never>?
        func stopNext() {
            stopping = running.max()
            if let stopping { services[stopping].shutdown() }
        }
        func cancelAll() {
            tasks.forEach { $0.cancel() }
            timer?.cancel()
            timer = patience.map { startTimer($0, .outOfPatience, continuation) }
        }
        for await event in events {
            switch event {
            case .signal(let number):
                if stopping == nil {
                    logger.info("shutting down", [.signal: .integer(Int64(number))])
                    timer = startTimer(shutdownTimeout, .timeout, continuation)
                    stopNext()
                } else {
                    logger.warn("second signal, canceling what still runs", [.signal: .integer(Int64(number))])
                    cancelAll()
                }
            case .timeout:
                logger.warn("shutdown deadline passed, canceling what still runs")
                cancelAll()
            case .outOfPatience:
                failure = failure ?? Abandoned(services: running.sorted().map { services[$0].name })
                continuation.finish()
            case .ended(let index, let error):
                running.remove(index)
                if let error, !(error is CancellationError) {
                    logger.error("service failed", [.program: .text(services[index].name), .error: LogValue(error)])
                    if failure == nil { failure = error }
                }
                if running.isEmpty {
                    timer?.cancel()
                    continuation.finish()
                } else if stopping == nil || stopping == index {
                    if timer == nil { timer = startTimer(shutdownTimeout, .timeout, continuation) }
                    stopNext()
                }
            }
        }
        if let failure { throw failure }
    }

    private func startTimer(
        _ limit: Duration, _ event: Event, _ continuation: AsyncStream<Event>.Continuation
    ) -> Task<Void, Never> {
        Task {
            do {
                try await Task.sleep(for: limit)
                continuation.yield(event)
            } catch {}
        }
    }
}
