import ExecutorRPC
import RuntimeCore

/// One call for one task, as the operations see it.
struct Attempt: Sendable {
    let taskID: String
    let wsid: String
    let fence: UInt64
    let requestID: String
    let cancellation: Cancellation
    let progress: TaskProgress
    /// Carries request, task, workspace and fence.
    let logger: Logger
}

/// How far an attempt is, for GetTask.
final class TaskProgress: Sendable {
    /// What the engine has cloned so far.
    let cloned = CloneProgress()
    private let state = Mutex(Progress(phase: .preparing))

    var current: Progress {
        var progress = state.withLock { $0 }
        progress.entries = UInt64(cloned.entries)
        return progress
    }

    func enter(_ phase: Progress.Phase) { state.withLock { $0.phase = phase } }

    /// - Parameter entries: how many the clone will have; nil where that is not known.
    func enterCloning(of entries: UInt64?) {
        state.withLock { state in
            state.phase = .cloning
            state.entriesTotal = entries
        }
    }

    func setFrozen(_ frozen: Bool) { state.withLock { $0.frozen = frozen } }
}
