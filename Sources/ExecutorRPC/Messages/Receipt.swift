/// Proof that the agent stood still: one acknowledgement from each sidecar.
package struct Receipt: Equatable, Sendable {
    package var acknowledgements: [Acknowledgement]
    /// `quiesced`, or `best_effort` where any acknowledgement is.
    package var consistency: String
    /// From REQUEST_FREEZE to the last sidecar's thaw.
    package var windowMilliseconds: Double

    package init(acknowledgements: [Acknowledgement], consistency: String, windowMilliseconds: Double) {
        self.acknowledgements = acknowledgements
        self.consistency = consistency
        self.windowMilliseconds = windowMilliseconds
    }
}

/// One sidecar's answer to one freeze request, in the words of the quiesce protocol.
package struct Acknowledgement: Equatable, Sendable {
    package var sidecarID: String
    package var nonce: String
    /// `cgroup2`, `cgroup1`, `sigstop` or `none`.
    package var method: String
    /// `quiesced` or `best_effort`.
    package var consistency: String
    package var processes: UInt32
    package var threads: UInt32
    package var flushedFiles: UInt32
    package var freezeMilliseconds: Double
    package var flushMilliseconds: Double
    /// RFC 3339, UTC.
    package var frozenAt: String
    /// The sidecar vouches that the agent stood still through the executor's last read.
    package var held: Bool
    /// After a switch: the first processes that were seen to stand in the tree that was current before.
    package var oldTree: [UInt32]

    package init(
        sidecarID: String, nonce: String, method: String, consistency: String, processes: UInt32, threads: UInt32,
        flushedFiles: UInt32, freezeMilliseconds: Double, flushMilliseconds: Double, frozenAt: String, held: Bool,
        oldTree: [UInt32] = []
    ) {
        self.sidecarID = sidecarID
        self.nonce = nonce
        self.method = method
        self.consistency = consistency
        self.processes = processes
        self.threads = threads
        self.flushedFiles = flushedFiles
        self.freezeMilliseconds = freezeMilliseconds
        self.flushMilliseconds = flushMilliseconds
        self.frozenAt = frozenAt
        self.held = held
        self.oldTree = oldTree
    }
}
