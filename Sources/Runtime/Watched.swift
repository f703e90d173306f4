import RuntimeCore

/// A value that changes, and that any number of tasks can follow: each sees the newest, none waits for another.
package final class Watched<Value: Sendable>: Sendable {
    package struct Version: Equatable, Sendable {
        fileprivate let number: UInt64
    }

    private struct State: Sendable {
        var value: Value
        var version: UInt64 = 1
        var waiters: [UInt64: CheckedContinuation<Void, Never>] = [:]
        var nextWaiter: UInt64 = 0
    }

    private let state: Mutex<State>

    package init(_ value: Value) { state = Mutex(State(value: value)) }

    package var value: Value { state.withLock { $0.value } }

    /// Changes the value and wakes who follows it.
    package func update(_ change: (inout Value) -> Void) {
        let waiters = state.withLock { state in
            change(&state.value)
            state.version += 1
            defer { state.waiters = [:] }
            return state.waiters.values
        }
        waiters.forEach { $0.resume() }
    }

    /// The newest value once it is another than that of `version`, at once where that is nil. Changes in between are missed.
    /// Throws `CancellationError` if the waiting task is cancelled.
    package func next(after version: Version?) async throws(CancellationError) -> (value: Value, version: Version) {
        let id = state.withLock { state in
            state.nextWaiter += 1
            return state.nextWaiter
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let isDue = state.withLock { state in
                    // Looked at under the lock: who cancels later finds the waiter.
                    if Task.isCancelled || state.version != version?.number { return true }
                    state.waiters[id] = continuation
                    return false
                }
                if isDue { continuation.resume() }
            }
        } onCancel: {
            state.withLock { $0.waiters.removeValue(forKey: id) }?.resume()
        }
        if Task.isCancelled { throw CancellationError() }
        return state.withLock { ($0.value, Version(number: $0.version)) }
    }
}
