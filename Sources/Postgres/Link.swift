private import CPostgres
private import Dispatch
private import Glibc
import RuntimeCore

/// Owns one `PGconn` in non-blocking mode and waits for it with `poll(2)`, so that a wait can be interrupted.
///
/// Not Sendable: it lives in the isolation of its `PostgresConnection`.
final class Link {
    /// How long the server may take to answer after it was told to cancel, before the connection is given up.
    private static let grace = Duration.seconds(10)
    /// How long the telling may take.
    private static let patience = Duration.seconds(2)

    private let raw: OpaquePointer
    /// Once something went wrong on the wire the protocol's state is unknown: the connection is never used again.
    private(set) var isBroken = false
    private let answerTimeout: Duration?
    /// Interrupts what runs; nil while nothing may be interrupted.
    var cancellation: Cancellation?

    /// Connects, and blocks until it has.
    init(_ settings: ConnectionSettings) throws(PostgresError) {
        guard ConnectionSettings.isReadable(dsn: settings.dsn) else {
            // libpq's own message would quote the connection string.
            throw PostgresError(.malformedDSN, "the connection string can not be read")
        }
        let keywords = settings.keywords
        let raw = withCStrings(keywords.map(\.0)) { names in
            withCStrings(keywords.map(\.1)) { values in PQconnectdbParams(names, values, 1) }
        }
        guard let raw else { throw PostgresError(.unreachable, "out of memory") }
        self.raw = raw
        answerTimeout = settings.answerTimeout
        guard PQstatus(raw) == CONNECTION_OK, PQsetnonblocking(raw, 1) == 0 else {
            throw PostgresError(.unreachable, withoutValues(String(cString: PQerrorMessage(raw))))
        }
        // Notices would go to standard error, between the log lines.
        PQsetNoticeReceiver(raw, { _, _ in }, nil)
    }

    deinit { PQfinish(raw) }

    /// Whether it stands and is outside any transaction.
    var isUsable: Bool { !isBroken && PQtransactionStatus(raw) == PQTRANS_IDLE }

    var isInFailedTransaction: Bool { PQtransactionStatus(raw) == PQTRANS_INERROR }

    var isInTransaction: Bool { PQtransactionStatus(raw) != PQTRANS_IDLE }

    var processID: Int32 { PQbackendPID(raw) }

    // MARK: Sending

    /// Sends statements by the simple protocol: several, separated by semicolons, without parameters.
    func send(script: String) throws(PostgresError) { try check(PQsendQuery(raw, script)) }

    func sendPrepare(_ sql: String, as name: String) throws(PostgresError) {
        try check(PQsendPrepare(raw, name, sql, 0, nil))
    }

    func sendExecute(_ name: String, _ parameters: [String?]) throws(PostgresError) {
        let sent = withCStrings(parameters) { values in
            PQsendQueryPrepared(raw, name, CInt(parameters.count), values, nil, nil, 0)
        }
        try check(sent)
    }

    func enterPipeline() throws(PostgresError) { try check(PQenterPipelineMode(raw)) }

    func sendPipelineEnd() throws(PostgresError) { try check(PQpipelineSync(raw)) }

    func exitPipeline() throws(PostgresError) { try check(PQexitPipelineMode(raw)) }

    // MARK: Receiving

    /// The next result of what was sent, or nil where a statement's results end. Blocks; what is still to be sent goes out.
    func nextResult() throws(PostgresError) -> QueryResult? {
        var canceling: CancelRequest?
        let deadline = answerTimeout.map { MonotonicTime.now + $0 }
        while true {
            let unsent = PQflush(raw)
            if unsent < 0 { throw broken() }
            if unsent == 0, PQisBusy(raw) == 0 { break }
            switch try wait(
                forWriting: unsent == 1, interruptible: canceling == nil, until: canceling?.nextAttempt ?? deadline)
            {
            case .socket: if PQconsumeInput(raw) == 0 { throw broken() }
            case .interrupted: canceling = try requestCancel(CancelRequest(deadline: .now + Link.grace))
            case .late:
                guard let request = canceling else { throw broken("the server does not answer") }
                canceling = try requestCancel(request)
            }
        }
        guard let result = PQgetResult(raw) else {
            if PQstatus(raw) != CONNECTION_OK { throw broken() }
            return nil
        }
        return QueryResult(owning: result)
    }

    /// Gives the connection up, with libpq's reason or `message`.
    func broken(_ message: String? = nil) -> PostgresError {
        isBroken = true
        let reason = message ?? withoutValues(String(cString: PQerrorMessage(raw)))
        return PostgresError(.connectionLost, reason.isEmpty ? "the connection broke" : reason)
    }

    /// For answers that do not belong to what was sent.
    func outOfStep() -> PostgresError { broken("the answers are out of step") }

    /// The error of a failed result; without an SQLSTATE it came from libpq itself, and the connection is gone.
    func error(of result: QueryResult) -> PostgresError {
        guard let error = result.error else { return broken() }
        if error.sqlState == "57014", cancellation?.isCancelled == true { return Link.canceled }
        // The server ends the session after these.
        if error.sqlState?.hasPrefix("57P") == true { isBroken = true }
        return error
    }

    static let canceled = PostgresError(.canceled, "canceled by the caller")

    // MARK: Notifications

    /// Blocks until a notification came, `cancellation` was cancelled (then empty), or `timeout` has passed (then empty).
    func waitForNotifications(_ timeout: Duration) throws(PostgresError) -> [ServerNotification] {
        let deadline = MonotonicTime.now + timeout
        while true {
            let received = takeNotifications()
            if !received.isEmpty { return received }
            guard try wait(forWriting: false, interruptible: true, until: deadline) == .socket else { return [] }
            if PQconsumeInput(raw) == 0 { throw broken() }
        }
    }

    private func takeNotifications() -> [ServerNotification] {
        var received: [ServerNotification] = []
        while let notification = PQnotifies(raw) {
            received.append(
                ServerNotification(
                    channel: String(cString: notification.pointee.relname),
                    payload: String(cString: notification.pointee.extra)))
            PQfreemem(notification)
        }
        return received
    }

    // MARK: Waiting

    private enum Ready { case socket, interrupted, late }

    private func wait(forWriting: Bool, interruptible: Bool, until deadline: MonotonicTime?) throws(PostgresError)
        -> Ready
    {
        // Servers from 17 on send records larger than what libpq takes at once.
        if wvs_tls_pending(raw) > 0 { return .socket }
        let events = CShort(POLLIN) | (forWriting ? CShort(POLLOUT) : 0)
        // A negative descriptor is ignored.
        let interrupt = interruptible ? cancellation?.descriptor ?? -1 : -1
        var descriptors = [
            pollfd(fd: PQsocket(raw), events: events, revents: 0),
            pollfd(fd: interrupt, events: CShort(POLLIN), revents: 0),
        ]
        let timeout = deadline.map { CInt(clamping: $0.remaining.wholeMilliseconds + 1) } ?? -1
        do {
            try systemCall("poll") { poll(&descriptors, 2, timeout) }
        } catch {
            throw broken(error.description)
        }
        if descriptors[1].revents != 0 { return .interrupted }
        if descriptors[0].revents != 0 { return .socket }
        return deadline.map { $0.remaining == .zero } == true ? .late : .socket
    }

    private struct CancelRequest {
        let deadline: MonotonicTime
        var pause = Duration.milliseconds(20)
        var nextAttempt = MonotonicTime.now
    }

    /// Tells the server, over a connection of its own, to end what runs here; a server that does not even listen to that costs the
    /// connection. Blocks until it was told: later it could end the next statement.
    ///
    /// It has to be said again until there is an answer: a session that has not yet read the statement ignores it.
    private func requestCancel(_ request: CancelRequest) throws(PostgresError) -> CancelRequest {
        guard request.deadline > .now, let handle = PQgetCancel(raw), tell(CancelHandle(raw: handle)) else {
            isBroken = true
            throw Link.canceled
        }
        var next = request
        next.nextAttempt = .now + request.pause
        next.pause = min(request.pause * 2, .seconds(1))
        return next
    }

    /// False where that takes too long. PQcancel has no timeout of its own, so it runs on a thread of its own.
    private func tell(_ handle: CancelHandle) -> Bool {
        let isOver = DispatchSemaphore(value: 0)
        DispatchQueue(label: "postgres.cancel").async {
            var reason = [CChar](repeating: 0, count: 256)
            // Where it fails, the deadline ends the call.
            _ = PQcancel(handle.raw, &reason, CInt(reason.count))
            PQfreeCancel(handle.raw)
            isOver.signal()
        }
        return isOver.wait(timeout: .now() + .milliseconds(Int(Link.patience.wholeMilliseconds))) == .success
    }

    /// Sendable: nobody else uses it, and it shares nothing with the connection that it was made from (libpq, 34.7).
    private struct CancelHandle: @unchecked Sendable {
        let raw: OpaquePointer
    }

    /// Whether nothing waits to be read. On an idle connection that is the server's farewell, or nothing worth a thought.
    var isQuiet: Bool {
        var descriptor = pollfd(fd: PQsocket(raw), events: CShort(POLLIN), revents: 0)
        return poll(&descriptor, 1, 0) == 0
    }

    private func check(_ outcome: CInt) throws(PostgresError) { if outcome != 1 { throw broken() } }
}

/// Runs `body` with a null-terminated array of C strings; nil stays a null pointer.
private func withCStrings<Result>(
    _ strings: [String?], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
) -> Result {
    let copies = strings.map { $0.map { strdup($0) } ?? nil }
    defer { copies.forEach { free($0) } }
    return (copies.map { UnsafePointer($0) } + [nil]).withUnsafeBufferPointer { body($0.baseAddress) }
}

private func withCStrings<Result>(
    _ strings: [String], _ body: (UnsafePointer<UnsafePointer<CChar>?>?) -> Result
) -> Result { withCStrings(strings.map(Optional.some), body) }
