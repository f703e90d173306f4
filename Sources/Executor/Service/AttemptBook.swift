import RuntimeCore

/// The attempts of this process by task, the newest of each: those under way, and those that ended last.
final class AttemptBook: Sendable {
    struct Entry: Sendable {
        let wsid: String
        let fence: UInt64
        let progress: TaskProgress
    }

    private struct State {
        var newest: [String: Entry] = [:]
        /// Oldest first.
        var ended: [(taskID: String, progress: TaskProgress)] = []
    }

    private let capacity: Int
    private let state = Mutex(State())

    /// - Parameter capacity: how many ended attempts are remembered.
    init(capacity: Int = 1024) { self.capacity = capacity }

    /// The newest attempt of a task; nil where none is known.
    func newest(of taskID: String) -> Entry? { state.withLock { $0.newest[taskID] } }

    /// A call has come; it may have to wait yet. One with a lower fence than a known one is not noted: it will be refused.
    func begin(_ call: Call) {
        state.withLock { state in
            if let known = state.newest[call.taskID], known.fence > call.fence { return }
            state.newest[call.taskID] = Entry(wsid: call.wsid, fence: call.fence, progress: call.progress)
        }
    }

    func end(_ call: Call, _ end: TaskProgress.End) {
        call.progress.conclude(end)
        state.withLock { state in
            guard state.newest[call.taskID]?.progress === call.progress else { return }
            state.ended.append((call.taskID, call.progress))
            guard state.ended.count > capacity else { return }
            let oldest = state.ended.removeFirst()
            if state.newest[oldest.taskID]?.progress === oldest.progress { state.newest[oldest.taskID] = nil }
        }
    }
}
