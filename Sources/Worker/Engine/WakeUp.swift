import RuntimeCore

/// Lets one task sleep until it is called or a time has passed. A call that comes while nobody sleeps ends the next sleep.
final class WakeUp: Sendable {
    private struct State {
        var wasCalled = false
        var sleeper: CheckedContinuation<Void, Never>?
    }

    private let state = Mutex(State())

    func call() {
        let sleeper = state.withLock { state in
            defer { state.sleeper = nil }
            if state.sleeper == nil { state.wasCalled = true }
            return state.sleeper
        }
        sleeper?.resume()
    }

    /// Also returns when the task is cancelled.
    func sleep(atMost limit: Duration) async {
        let timer = Task {
            // Cancelled: the sleep has ended otherwise.
            do { try await Task.sleep(for: limit) } catch { return }
            call()
        }
        defer { timer.cancel() }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                let wasCalled = state.withLock { state in
                    if state.wasCalled {
                        state.wasCalled = false
                        return true
                    }
                    state.sleeper = continuation
                    return false
                }
                if wasCalled { continuation.resume() }
            }
        } onCancel: {
            call()
        }
    }
}
