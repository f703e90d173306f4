private import CMicroHTTPD
import RuntimeCore

/// One request and its answer, from the last byte of the headers until the answer has been sent.
///
/// The connection is suspended while the handler runs, so libmicrohttpd's thread goes on with others. Whoever ends the
/// handler's time, itself or a forced shutdown, resumes it, exactly once.
final class Exchange: @unchecked Sendable {
    // Unchecked: `body`, `received`, `taken` and `refusal` belong to the connection's libmicrohttpd thread until `respond`, and to
    // the handler's task from then on; the rest is constant or behind the mutex.
    private enum State {
        case receiving
        case responding(Task<Void, Never>?)
        /// A shutdown did not wait for the handler.
        case refusing
        case answered(Response)
        /// libmicrohttpd has the answer.
        case sending
        case aborted
    }

    let connection: Connection
    private let raw: OpaquePointer
    private let head: RequestHead
    private let limits: Limits
    private let bodies: BodyBudget
    private let router: Router
    private var body: [UInt8] = []
    private var received = 0
    /// Bytes of the budget that `body` uses.
    private var taken = 0
    private var refusal: Refusal?
    private let state = Mutex((current: State.receiving, isCanceled: false))

    init(
        raw: OpaquePointer, connection: Connection, head: RequestHead, limits: Limits, bodies: BodyBudget,
        router: Router
    ) {
        self.raw = raw
        self.connection = connection
        self.head = head
        self.limits = limits
        self.bodies = bodies
        self.router = router
        refusal = head.refusal(limits: limits)
    }

    deinit { bodies.giveBack(taken) }

    /// Whether the answer goes out before the body has been read: where its end is in doubt, where the client still holds
    /// it back, and where it is too long to be drained. libmicrohttpd closes the connection after such an answer.
    var answersEarly: Bool {
        guard let refusal else { return false }
        return refusal.closesConnection || head.expectsContinue
            || head.declaredLength.map { $0 > UInt64(limits.drainedBytes) } ?? false
    }

    /// Whether the connection ends with the answer: chunks have lengths of their own, which libmicrohttpd does not tell, so nobody
    /// could say where the next request begins.
    var isLast: Bool { head.isChunked }

    /// The request's bytes so far.
    var size: Int { head.size + received }

    /// Takes a piece of the body; false where the connection has to be cut.
    func receive(_ piece: UnsafeRawBufferPointer) -> Bool {
        received += piece.count
        if received > limits.bodyBytes, refusal == nil {
            refusal = limits.bodyRefusal
            body = []
        }
        if refusal == nil, !bodies.take(piece.count) { refusal = .crowded }
        if refusal == nil {
            taken += piece.count
            body.append(contentsOf: piece)
        }
        return received <= limits.drainedBytes
    }

    /// Suspends the connection and starts the handler; false where a shutdown came first.
    func respond() -> Bool {
        let starts = state.withLock { state in
            guard case .receiving = state.current else { return false }
            // Under the lock, so that nobody resumes the connection before it is suspended.
            MHD_suspend_connection(raw)
            state.current = .responding(nil)
            return true
        }
        guard starts else { return false }
        connection.beginResponding()
        let work: @Sendable () async -> Void = { [self] in finish(await answer()) }
        // At once on this thread, up to where it first waits: one hand-over less. Not with a large body to read: the thread has other
        // connections.
        let task = body.count <= 16 << 10 ? Task.immediate(operation: work) : Task(operation: work)
        let isCanceled = state.withLock { state in
            if case .responding = state.current { state.current = .responding(task) }
            return state.isCanceled
        }
        if isCanceled { task.cancel() }
        return true
    }

    /// The answer, once there is one, and once.
    func takeResponse() -> Response? {
        state.withLock { state in
            guard case .answered(let response) = state.current else { return nil }
            state.current = .sending
            return response
        }
    }

    /// Tells the handler that nobody waits for its answer any more.
    func cancel() {
        let task: Task<Void, Never>? = state.withLock { state in
            state.isCanceled = true
            return if case .responding(let task) = state.current { task } else { nil }
        }
        task?.cancel()
    }

    /// Ends the exchange without its handler; what the handler still returns is dropped. A request that is still arriving, and
    /// an answer that is still being sent, end with their connection.
    func abort() {
        cancel()
        let isSuspended = state.withLock { state in
            guard case .responding = state.current else {
                if case .receiving = state.current { state.current = .aborted }
                return false
            }
            state.current = .refusing
            return true
        }
        guard isSuspended else { return connection.cut() }
        Task {
            let response = await router.refuse(request, .shuttingDown)
            state.withLock { $0.current = .answered(response) }
            MHD_resume_connection(raw)
        }
    }

    /// Gives up a request that is still arriving; false where it has arrived.
    func abandon() -> Bool {
        state.withLock { state in
            guard case .receiving = state.current else { return false }
            state.current = .aborted
            return true
        }
    }

    private func finish(_ response: Response) {
        let isFirst = state.withLock { state in
            guard case .responding = state.current else { return false }
            state.current = .answered(response)
            return true
        }
        if isFirst { MHD_resume_connection(raw) }
    }

    private func answer() async -> Response {
        let target: Target
        do throws(Refusal) {
            target = try Target(head.target)
        } catch {
            return await router.refuse(request, refusal ?? error)
        }
        if let refusal { return await router.refuse(request(target), refusal) }
        return await router.respond(to: request(target, body: body), target: target)
    }

    /// What is known of the request, for a refusal.
    var request: Request {
        do throws(Refusal) {
            return request(try Target(head.target))
        } catch {
            return request(nil)
        }
    }

    private func request(_ target: Target?, body: [UInt8] = []) -> Request {
        Request(
            method: head.method, target: head.target, path: target?.path ?? "", query: target?.query ?? Query(),
            headers: head.headers, body: body, peer: connection.peer)
    }
}
