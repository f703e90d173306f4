package struct GetTaskRequest: Equatable, Sendable {
    package var taskID: String

    package init(taskID: String) { self.taskID = taskID }
}

/// What the executor is doing for a task at this moment, or has done for it lately.
package enum GetTaskResponse: Equatable, Sendable {
    /// It is not working on it, and remembers no attempt.
    case idle
    case running(wsid: String, fence: UInt64, progress: Progress)
    /// How the last attempt here ended.
    case ended(wsid: String, fence: UInt64, outcome: ExecuteTaskOutcome)
}

package struct Progress: Equatable, Sendable {
    /// An open set: a newer executor may name phases that this program does not know.
    package struct Phase: RawRepresentable, Hashable, Sendable {
        package let rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        package static let preparing = Phase(rawValue: "preparing")
        package static let quiescing = Phase(rawValue: "quiescing")
        package static let cloning = Phase(rawValue: "cloning")
        /// The second phase of a clone: the entries are gone through again.
        package static let updating = Phase(rawValue: "updating")
        package static let switching = Phase(rawValue: "switching")
        package static let releasing = Phase(rawValue: "releasing")
        package static let syncing = Phase(rawValue: "syncing")
        package static let publishing = Phase(rawValue: "publishing")
        package static let deleting = Phase(rawValue: "deleting")
    }

    package var phase: Phase
    package var entries: UInt64
    /// Entries expected in all; nil where that is not known.
    package var entriesTotal: UInt64?
    /// The agent stands still.
    package var frozen: Bool

    package init(phase: Phase, entries: UInt64 = 0, entriesTotal: UInt64? = nil, frozen: Bool = false) {
        self.phase = phase
        self.entries = entries
        self.entriesTotal = entriesTotal
        self.frozen = frozen
    }
}
