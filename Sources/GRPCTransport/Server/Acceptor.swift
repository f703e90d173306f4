import RuntimeCore

/// Takes calls off a server, hands them to their methods within their bounds, and knows what still runs.
final class Acceptor: Sendable {
    private struct State {
        var started = false
        var shuttingDown = false
        /// Every connection has come to its end.
        var drained = false
        /// Calls whose handler runs or whose answer is not yet sent.
        var calls = 0
        var waiters: [CheckedContinuation<Void, Never>] = []
        var timer: Task<Void, Never>?

        var ended: Bool { drained && calls == 0 }
    }

    private let server: ServerHandle
    private let methods: [ServedMethod]
    private let logger: Logger
    private let state = Mutex(State())

    init(server: ServerHandle, methods: [GRPCMethod], logger: Logger) {
        self.server = server
        self.logger = logger
        self.methods = methods.map { method in
            guard let handle = server.register(method.path) else {
                preconditionFailure("\(method.path) is registered twice")
            }
            return ServedMethod(method, handle: handle)
        }
    }

    func start() {
        let serves = state.withLock { state in
            precondition(!state.started, "a server runs once")
            state.started = true
            // The C core does not bear to be started once it is shut down.
            if !state.shuttingDown { server.start() }
            return !state.shuttingDown
        }
        guard serves else { return }
        methods.forEach(acceptNext)
        refuseNextUnknown()
    }

    /// Waits until the server is shut down and no handler runs.
    func ended() async {
        await withCheckedContinuation { continuation in
            let ended = state.withLock { state in
                if !state.ended { state.waiters.append(continuation) }
                return state.ended
            }
            if ended { continuation.resume() }
        }
    }

    /// Accepts nothing more, and cancels what still runs after `timeout`.
    func shutdown(cancellingAfter timeout: Duration) {
        state.withLock { state in
            guard !state.shuttingDown else { return }
            state.shuttingDown = true
            // Under the lock, for nobody may cancel before; what it leads to happens on the queue's thread.
            server.shutdown { self.update { $0.drained = true } }
        }
        guard timeout > .zero else {
            server.cancelAllCalls()
            return
        }
        let timer = Task {
            do {
                try await Task.sleep(for: timeout)
                self.logger.warn("canceling the calls that are still running")
                self.server.cancelAllCalls()
            } catch {
                // Everything ended in time.
            }
        }
        update { $0.timer = timer }
    }

    private func acceptNext(_ method: ServedMethod) {
        server.requestCall(of: method.handle) { arrived in
            guard let (call, request) = arrived?.take(from: self.server.queue) else { return }
            self.acceptNext(method)
            self.accept(call, request, method)
        }
    }

    private func refuseNextUnknown() {
        server.requestCall(of: nil) { arrived in
            guard let arrived, let (call, _) = arrived.take(from: self.server.queue) else { return }
            self.refuseNextUnknown()
            self.refuse(call, GRPCError(.unimplemented, "no method \(arrived.path)"))
        }
    }

    private func accept(_ call: Call, _ request: GRPCRequest?, _ method: ServedMethod) {
        guard let request else {
            return refuse(call, GRPCError(.invalidArgument, "the call has no message"))
        }
        guard method.enter() else {
            return refuse(call, GRPCError(.resourceExhausted, "too many calls of \(method.path) are running"))
        }
        update { $0.calls += 1 }
        let logger = logger.with(.path, .text(method.path))
        ServerCall(call).serve(request, method.kind, logger) {
            method.leave()
            self.update { $0.calls -= 1 }
        }
    }

    private func refuse(_ call: Call, _ error: GRPCError) {
        update { $0.calls += 1 }
        ServerCall(call).refuse(error) { self.update { $0.calls -= 1 } }
    }

    /// Changes the state, and when that was the end, tells whoever waits for it.
    private func update(_ change: (inout State) -> Void) {
        let (ended, waiters, timer) = state.withLock { state in
            let before = state.ended
            change(&state)
            guard state.ended else { return (false, [CheckedContinuation<Void, Never>](), Task<Void, Never>?.none) }
            defer {
                state.waiters = []
                state.timer = nil
            }
            return (!before, state.waiters, state.timer)
        }
        timer?.cancel()
        if ended { server.queue.shutdown() }
        waiters.forEach { $0.resume() }
    }
}

/// A registered method and how many of its calls run.
private final class ServedMethod: @unchecked Sendable {
    // Unchecked: `handle` is only passed back to the C core.
    let handle: UnsafeMutableRawPointer
    private let method: GRPCMethod
    private let running = Mutex(0)

    init(_ method: GRPCMethod, handle: UnsafeMutableRawPointer) {
        self.method = method
        self.handle = handle
    }

    var path: String { method.path }
    var kind: GRPCMethod.Kind { method.kind }

    /// False if as many calls run as may.
    func enter() -> Bool {
        running.withLock { running in
            guard running < method.maxConcurrentCalls else { return false }
            running += 1
            return true
        }
    }

    func leave() { running.withLock { $0 -= 1 } }
}
