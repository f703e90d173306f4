private import CMicroHTTPD
private import Dispatch
private import Glibc
import RuntimeCore

/// The owner of a libmicrohttpd daemon: its threads read requests, start their handlers and send answers; nothing blocks them.
final class Daemon: @unchecked Sendable {
    // Unchecked: `raw` is set once by `start`, before anybody else knows of this object, and the rest is constant.
    private var raw: OpaquePointer?
    let router: Router
    let limits: Limits
    let traffic = Traffic()
    let bodies: BodyBudget
    let watch: ConnectionWatch
    let logger: Logger

    init(router: Router, limits: Limits, logger: Logger) throws(SystemError) {
        self.router = router
        self.logger = logger
        var limits = limits
        limits.connections = min(limits.connections, Self.mostConnections)
        self.limits = limits
        bodies = BodyBudget(limits.bodyBytesInAll)
        watch = try ConnectionWatch(limits: limits)
    }

    /// Serves what comes in on `listener`, which must stay open until `stop` has returned.
    func start(listener: CInt) throws(HTTPServerError) {
        do throws(SystemError) {
            try watch.start { [router] connection in
                guard let request = connection.refuse() else { return }
                Task {
                    let response = await router.refuse(request, .overdue)
                    connection.conclude(
                        with: response.lastBytes(reason: "Request Timeout", withBody: request.method != "HEAD"))
                }
            }
        } catch {
            throw HTTPServerError(message: "no thread to watch connections", cause: error)
        }
        let flags =
            MHD_USE_EPOLL_INTERNAL_THREAD.rawValue | MHD_ALLOW_SUSPEND_RESUME.rawValue | MHD_USE_ERROR_LOG.rawValue
        raw = wvs_mhd_start(
            flags, listener, 2, UInt32(limits.connections), UInt32(limits.idleTimeout.components.seconds),
            // Beyond our own bound on headers, which then answers first.
            2 * limits.headerBytes, Unmanaged.passUnretained(self).toOpaque(), handleAccess, handleCompletion,
            handleConnection, handleTarget, handleLog)
        guard raw != nil else {
            watch.stop()
            throw HTTPServerError(message: "libmicrohttpd does not start; its log says why")
        }
    }

    /// At most half of the descriptors that the process may have: a crowd of clients must not take them from the database.
    private static var mostConnections: Int { DescriptorLimit.current / 2 }

    /// Accepts no more connections; those that exist go on.
    func quiesce() {
        if let raw { MHD_quiesce_daemon(raw) }
    }

    /// Closes what is still connected and joins the threads. No exchange may be under way.
    func stop() async {
        watch.stop()
        await withCheckedContinuation { continuation in
            DispatchQueue.global().async { [self] in
                if let raw { MHD_stop_daemon(raw) }
                continuation.resume()
            }
        }
    }

    /// The connection's headers have been read. The pointers lead into libmicrohttpd's buffer.
    fileprivate func begin(
        _ raw: OpaquePointer, method: UnsafePointer<CChar>, target: UnsafePointer<CChar>, version: UnsafePointer<CChar>
    ) -> Exchange? {
        guard let connection = connection(raw) else { return nil }
        let size = wvs_mhd_header_size(raw)
        let sent = connection.target
        var collected = (
            headers: Headers(),
            layout: HeadLayout(
                method: method, target: target, targetLength: sent.utf8.count, version: version, size: size)
        )
        withUnsafeMutablePointer(to: &collected) { pointer in
            _ = MHD_get_connection_values_n(raw, .HEADER_KIND, collectHeader, pointer)
        }
        collected.layout.finish()
        let head = RequestHead(
            method: String(cString: method), target: sent, version: String(cString: version),
            headers: collected.headers, size: size, isSound: collected.layout.isSound)
        let exchange = Exchange(
            raw: raw, connection: connection, head: head, limits: limits, bodies: bodies, router: router)
        guard traffic.begin(exchange) else { return nil }
        guard connection.begin(exchange) else {
            traffic.end(exchange)
            return nil
        }
        return exchange
    }

    fileprivate func send(_ response: Response, of exchange: Exchange, on raw: OpaquePointer) -> MHD_Result {
        let message = response.body.withUnsafeBytes { bytes in
            MHD_create_response_from_buffer(
                bytes.count, UnsafeMutableRawPointer(mutating: bytes.baseAddress), .RESPMEM_MUST_COPY)
        }
        guard let message else { return .NO }
        defer { MHD_destroy_response(message) }
        for (name, value) in response.headers.fields where MHD_add_response_header(message, name, value) == .NO {
            logger.error("response header dropped: not allowed in HTTP", [.detail: .text(name)])
        }
        if exchange.isLast || !traffic.isOpen { MHD_add_response_header(message, "Connection", "close") }
        exchange.connection.beginSending(bytes: response.body.count)
        return MHD_queue_response(raw, UInt32(response.status), message)
    }
}

// libmicrohttpd calls these on its own threads. They are functions at file level: a closure made in an isolated context
// would trap there.

private func daemon(_ context: UnsafeMutableRawPointer?) -> Daemon? {
    context.map { Unmanaged<Daemon>.fromOpaque($0).takeUnretainedValue() }
}

private func connection(_ raw: OpaquePointer) -> Connection? {
    wvs_mhd_socket_context(raw).map { Unmanaged<Connection>.fromOpaque($0).takeUnretainedValue() }
}

private func handleAccess(
    context: UnsafeMutableRawPointer?, raw: OpaquePointer?, url: UnsafePointer<CChar>?, method: UnsafePointer<CChar>?,
    version: UnsafePointer<CChar>?, upload: UnsafePointer<CChar>?, uploadSize: UnsafeMutablePointer<Int>?,
    slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?
) -> MHD_Result {
    guard let daemon = daemon(context), let raw, let url, let method, let version, let uploadSize, let slot else {
        return .NO
    }
    guard let pointer = slot.pointee else {
        guard let exchange = daemon.begin(raw, method: method, target: url, version: version) else { return .NO }
        slot.pointee = Unmanaged.passRetained(exchange).toOpaque()
        return !exchange.answersEarly || exchange.respond() ? .YES : .NO
    }
    let exchange = Unmanaged<Exchange>.fromOpaque(pointer).takeUnretainedValue()
    if let response = exchange.takeResponse() { return daemon.send(response, of: exchange, on: raw) }
    if uploadSize.pointee > 0 {
        let isWelcome = exchange.receive(UnsafeRawBufferPointer(start: upload, count: uploadSize.pointee))
        uploadSize.pointee = 0
        return isWelcome ? .YES : .NO
    }
    return exchange.respond() ? .YES : .NO
}

private func handleCompletion(
    context: UnsafeMutableRawPointer?, raw: OpaquePointer?, slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    reason: MHD_RequestTerminationCode
) {
    guard let daemon = daemon(context), let pointer = slot?.pointee else { return }
    let exchange = Unmanaged<Exchange>.fromOpaque(pointer).takeRetainedValue()
    slot?.pointee = nil
    exchange.connection.end(size: exchange.size)
    daemon.traffic.end(exchange)
}

private func handleConnection(
    context: UnsafeMutableRawPointer?, raw: OpaquePointer?, slot: UnsafeMutablePointer<UnsafeMutableRawPointer?>?,
    event: MHD_ConnectionNotificationCode
) {
    guard let daemon = daemon(context), let raw, let slot else { return }
    if event == .CONNECTION_NOTIFY_STARTED {
        let peer = wvs_mhd_peer(raw).map(hostText) ?? "unknown"
        let connection = daemon.watch.add(socket: wvs_mhd_socket(raw), peer: peer)
        slot.pointee = Unmanaged.passRetained(connection).toOpaque()
    } else if let pointer = slot.pointee {
        let connection = Unmanaged<Connection>.fromOpaque(pointer).takeRetainedValue()
        connection.close()
        daemon.watch.remove(connection)
        slot.pointee = nil
    }
}

/// The request line has been read. Its target is taken from here: the handler's is already decoded.
private func handleTarget(
    context: UnsafeMutableRawPointer?, target: UnsafePointer<CChar>?, raw: OpaquePointer?
) -> UnsafeMutableRawPointer? {
    if let target, let raw { connection(raw)?.target = String(cString: target) }
    return nil
}

private func collectHeader(
    context: UnsafeMutableRawPointer?, kind: MHD_ValueKind, name: UnsafePointer<CChar>?, nameSize: Int,
    value: UnsafePointer<CChar>?, valueSize: Int
) -> MHD_Result {
    guard let context else { return .NO }
    let collected = context.assumingMemoryBound(to: (headers: Headers, layout: HeadLayout).self)
    collected.pointee.layout.take(name: name, nameSize, value: value, valueSize)
    // Blanks behind a value do not belong to it (RFC 9110, section 5.5).
    let bytes = UnsafeRawBufferPointer(start: value, count: value == nil ? 0 : valueSize)
    let last = bytes.lastIndex { $0 != 0x20 && $0 != 0x09 }
    collected.pointee.headers.append(
        String(decoding: UnsafeRawBufferPointer(start: name, count: name == nil ? 0 : nameSize), as: UTF8.self),
        String(decoding: bytes[..<(last.map { $0 + 1 } ?? 0)], as: UTF8.self))
    return .YES
}

private func handleLog(context: UnsafeMutableRawPointer?, format: UnsafePointer<CChar>?, arguments: CVaListPointer?) {
    guard let daemon = daemon(context), let format, let arguments else { return }
    var text = [CChar](repeating: 0, count: 512)
    vsnprintf(&text, text.count, format, arguments)
    let line = String(decoding: text.prefix { $0 != 0 && $0 != 10 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    daemon.logger.debug("libmicrohttpd", [.detail: .text(line)])
}
