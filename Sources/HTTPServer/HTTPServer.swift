import Runtime
package import RuntimeCore

/// An HTTP/1.1 server without TLS.
///
/// It binds its socket when it is made, so that the port is known and early clients wait in the queue; `run()` serves.
/// Shutting down closes the socket to new connections and lets every request that has begun be answered.
package final class HTTPServer: Service {
    package let name: String
    private let daemon: Daemon
    private let socket: ListeningSocket
    private let logger: Logger
    private let stopping = Latch()

    /// - Parameters:
    ///   - name: for logs.
    ///   - address: port 0 takes any free one; see `address`.
    package init(name: String, address: SocketAddress, router: Router, limits: Limits = Limits(), logger: Logger)
        throws(HTTPServerError)
    {
        self.name = name
        self.logger = logger
        do throws(SystemError) {
            socket = try ListeningSocket(address)
            daemon = try Daemon(router: router, limits: limits, logger: logger)
        } catch {
            throw HTTPServerError(message: "\(name) can not listen on \(address)", cause: error)
        }
    }

    /// Where it listens.
    package var address: SocketAddress { socket.address }

    package func run() async throws {
        try daemon.start(listener: socket.descriptor.raw)
        logger.info("listening", [.program: .text(name), .address: LogValue(address)])
        await withTaskCancellationHandler {
            await stopping.wait()
        } onCancel: {
            stopping.open()
        }
        daemon.quiesce()
        await daemon.traffic.drain()
        await daemon.stop()
    }

    package func shutdown() { stopping.open() }
}

/// Why a server does not serve.
package struct HTTPServerError: Error, CustomStringConvertible {
    package let message: String
    package let cause: SystemError?

    init(message: String, cause: SystemError? = nil) {
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(message): \($0)" } ?? message }
}
