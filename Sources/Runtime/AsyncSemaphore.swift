private import RuntimeCore

/// A counting semaphore whose waiters are suspended tasks, served first come, first served.
package final class AsyncSemaphore: Sendable {
    private struct Waiter {
        let id: UInt64
        let continuation: CheckedContinuation<Void, any Error>
    }

    private struct State {
        var free: Int
        var nextID: UInt64 = 0
        var waiters: [Waiter] = []
        // A waiter that was cancelled before it could queue up.
        var canceled: Set<UInt64> = []
    }

    private let state: RuntimeCore.Mutex<State>

    package init(_ count: Int) {
        precondition(count > 0, "a semaphore needs room for one")
        state = RuntimeCore.Mutex(State(free: count))
    }

    /// Takes a slot, waiting for one if need be. Throws `CancellationError` if cancelled meanwhile; then no slot is held.
    package func wait() async throws {
        let id = state.withLock { state in
            state.nextID += 1
            return state.nextID
        }
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let outcome: Result<Void, any Error>? = state.withLock { state in
                    if state.canceled.remove(id) != nil { return .failure(CancellationError()) }
                    if state.free > 0 {
                        state.free -= 1
                        return .success(())
                    }
                    state.waiters.append(Waiter(id: id, continuation: continuation))
                    return nil
                }
                if let outcome { continuation.resume(with: outcome) }
            }
        } onCancel: {
            let waiter: Waiter? = state.withLock { state in
                guard let index = state.waiters.firstIndex(where: { $0.id == id }) else {
                    state.canceled.insert(id)
                    return nil
                }
                return state.waiters.remove(at: index)
            }
            waiter?.continuation.resume(throwing: CancellationError())
        }
        // A cancellation that came after the slot was granted left its mark behind.
        state.withLock { _ = $0.canceled.remove(id) }
    }

    /// Gives a slot back.
    package func signal() {
        let waiter: Waiter? = state.withLock { state in
            if state.waiters.isEmpty {
                state.free += 1
                return nil
            }
            return state.waiters.removeFirst()
        }
        waiter?.continuation.resume()
    }
}
