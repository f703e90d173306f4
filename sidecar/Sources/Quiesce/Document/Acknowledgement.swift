package import RuntimeCore

/// How an agent is made to stand still.
package enum FreezeMethod: String, CaseIterable, Sendable {
    case cgroup2, cgroup1, sigstop
    /// There is no agent: nobody holds the workspace open.
    case none

    /// A SIGSTOP sweep can miss a process under fork churn, and `none` proves little.
    package var mayBeQuiesced: Bool { self == .cgroup2 || self == .cgroup1 }
}

/// What a snapshot taken under an acknowledgement is worth.
package enum Consistency: String, CaseIterable, Sendable {
    case quiesced
    case bestEffort = "best_effort"
}

/// One sidecar's word that its agent stands still and has been flushed.
package struct Acknowledgement: Equatable, Sendable {
    /// Made anew for each freeze; the held acknowledgement repeats it.
    package var nonce: String
    package var method: FreezeMethod
    package var consistency: Consistency
    package var processes: Int
    package var threads: Int
    package var flushedFiles: Int
    /// How long the freezing took, in microseconds; `freeze_ms` in the document.
    package var freezeMicroseconds: Int64
    /// How long the flush took, in microseconds; `flush_ms` in the document.
    package var flushMicroseconds: Int64
    package var frozenAt: Timestamp
    /// Nil while frozen; then whether the agent stood still until the resume was read.
    package var held: Bool?
    /// After a switch: the first processes seen to stand in the tree that `current` has left, at most `oldTreeLimit`.
    package var oldTree: [Int32]

    /// What a document has room for.
    package static let oldTreeLimit = 3

    package init(
        nonce: String, method: FreezeMethod, consistency: Consistency, processes: Int, threads: Int, flushedFiles: Int,
        freezeMicroseconds: Int64, flushMicroseconds: Int64, frozenAt: Timestamp, held: Bool? = nil,
        oldTree: [Int32] = []
    ) {
        self.nonce = nonce
        self.method = method
        self.consistency = consistency
        self.processes = processes
        self.threads = threads
        self.flushedFiles = flushedFiles
        self.freezeMicroseconds = freezeMicroseconds
        self.flushMicroseconds = flushMicroseconds
        self.frozenAt = frozenAt
        self.held = held
        self.oldTree = oldTree
    }

    package var freezeMilliseconds: Double { Double(freezeMicroseconds) / 1000 }
    package var flushMilliseconds: Double { Double(flushMicroseconds) / 1000 }
}
