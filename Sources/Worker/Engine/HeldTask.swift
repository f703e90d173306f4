import RuntimeCore
import Store

/// A task that this worker owns, and the means to interrupt what it does for it.
final class HeldTask: Sendable {
    private struct State {
        var ownership: TaskFence
        var cancelRequested = false
        var isLost = false
        var isRefencing = false
        /// Cancels what runs now.
        var interrupt: (@Sendable () -> Void)?
        var heedsCancel = false
    }

    let claimed: ClaimedTask
    private let state: Mutex<State>

    init(_ claimed: ClaimedTask) {
        self.claimed = claimed
        state = Mutex(
            State(
                ownership: TaskFence(taskID: claimed.task.taskID, fence: claimed.fence),
                cancelRequested: claimed.task.cancelRequested))
    }

    var ownership: TaskFence { state.withLock { $0.ownership } }
    var cancelRequested: Bool { state.withLock { $0.cancelRequested } }
    /// The lease is gone or given back: nothing may be written for this task any more.
    var isLost: Bool { state.withLock { $0.isLost } }

    /// The fence is being raised: a renewal that finds nobody under the old one proves nothing.
    var isRefencing: Bool { state.withLock { $0.isRefencing } }

    func beginRefencing() { state.withLock { $0.isRefencing = true } }

    func raise(to fence: Int64) {
        state.withLock { state in
            state.ownership = TaskFence(taskID: claimed.task.taskID, fence: fence)
            state.isRefencing = false
        }
    }

    /// A client wants the task canceled.
    func requestCancel() {
        let interrupt = state.withLock { state in
            state.cancelRequested = true
            return state.heedsCancel ? state.interrupt : nil
        }
        interrupt?()
    }

    /// The task is owned no longer: ends whatever is done for it.
    func lose() {
        let interrupt = state.withLock { state in
            state.isLost = true
            return state.interrupt
        }
        interrupt?()
    }

    /// Runs `body` in a task of its own, which is cancelled when the task is lost and, if `heedingCancel`, when a client wants it
    /// canceled. Also where that happened before.
    func run<Result: Sendable>(
        heedingCancel: Bool, _ body: @escaping @Sendable () async -> Result
    ) async -> Result {
        let work = Task { await body() }
        begin(heedingCancel: heedingCancel) { work.cancel() }
        defer { end() }
        return await work.value
    }

    /// From here to `end()` what is done can be interrupted, at once where there is reason to already.
    func begin(heedingCancel: Bool, interrupt: @escaping @Sendable () -> Void) {
        let isLate = state.withLock { state in
            state.interrupt = interrupt
            state.heedsCancel = heedingCancel
            return state.isLost || (heedingCancel && state.cancelRequested)
        }
        if isLate { interrupt() }
    }

    func end() { state.withLock { $0.interrupt = nil } }
}
