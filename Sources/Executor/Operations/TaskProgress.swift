import ExecutorRPC
import GRPCTransport
import Runtime
import RuntimeCore

/// How far an attempt is, and at last how it ended: for GetTask and WatchTask.
final class TaskProgress: Sendable {
    enum End: Sendable {
        case outcome(ExecuteTaskOutcome)
        /// It may have published; the reason.
        case unknown(String)
    }

    private struct State: Sendable {
        var progress = Progress(phase: .preparing)
        var end: End?
    }

    /// What the engine has cloned so far.
    let cloned: CloneProgress
    private let state: Watched<State>

    init() {
        let state = Watched(State())
        self.state = state
        cloned = CloneProgress { state.update { _ in } }
    }

    var current: Progress { shown(state.value) }

    /// Nil while it is under way.
    var end: End? { state.value.end }

    func enter(_ phase: Progress.Phase) { state.update { $0.progress.phase = phase } }

    /// - Parameter entries: how many the clone will have; nil where that is not known.
    func enterCloning(of entries: UInt64?) {
        state.update { state in
            state.progress.phase = .cloning
            state.progress.entriesTotal = entries
        }
    }

    /// The second phase of a clone, which goes through `entries` again.
    func enterUpdating(of entries: UInt64) {
        state.update { state in
            state.progress.phase = .updating
            state.progress.entriesTotal = entries
        }
    }

    func setFrozen(_ frozen: Bool) { state.update { $0.progress.frozen = frozen } }

    func conclude(_ end: End) { state.update { $0.end = end } }

    /// Sends what there is, then every change, and returns when the outcome has been sent. What changes while `send` waits is
    /// sent as one.
    func follow(_ send: (TaskEvent) async throws -> Void) async throws {
        var version: Watched<State>.Version?
        var last: Progress?
        while true {
            let (state, newest) = try await state.next(after: version)
            version = newest
            switch state.end {
            case .outcome(let outcome): return try await send(.ended(outcome))
            case .unknown(let reason): throw GRPCError(.internal, reason)
            case nil:
                let progress = shown(state)
                if progress != last { try await send(.progress(progress)) }
                last = progress
            }
        }
    }

    private func shown(_ state: State) -> Progress {
        var progress = state.progress
        progress.entries = UInt64(cloned.entries)
        return progress
    }
}
