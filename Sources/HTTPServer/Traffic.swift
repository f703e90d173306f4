import RuntimeCore

/// The exchanges under way, and the end of them: open, draining (what has begun may finish), closed.
final class Traffic: Sendable {
    private enum Phase { case open, draining, closed }

    private struct State {
        var phase = Phase.open
        var exchanges: [ObjectIdentifier: Exchange] = [:]
    }

    private let state = Mutex(State())
    private let drained = Latch()

    /// False once closed: then the connection is to be cut.
    func begin(_ exchange: Exchange) -> Bool {
        state.withLock { state in
            guard state.phase != .closed else { return false }
            state.exchanges[ObjectIdentifier(exchange)] = exchange
            return true
        }
    }

    func end(_ exchange: Exchange) {
        let isDrained = state.withLock { state in
            state.exchanges[ObjectIdentifier(exchange)] = nil
            return Self.closeIfDrained(&state)
        }
        if isDrained { drained.open() }
    }

    var isOpen: Bool { state.withLock { $0.phase == .open } }

    /// Waits until the last exchange has ended and closes. Cancelling the task closes at once and aborts those that still run.
    func drain() async {
        let isDrained = state.withLock { state in
            if state.phase == .open { state.phase = .draining }
            return Self.closeIfDrained(&state)
        }
        if isDrained { drained.open() }
        await withTaskCancellationHandler {
            await drained.wait()
        } onCancel: {
            let exchanges = state.withLock { state in
                state.phase = .closed
                return Array(state.exchanges.values)
            }
            exchanges.forEach { $0.abort() }
        }
    }

    private static func closeIfDrained(_ state: inout State) -> Bool {
        guard state.phase != .open, state.exchanges.isEmpty else { return false }
        state.phase = .closed
        return true
    }
}
