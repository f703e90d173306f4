package import RuntimeCore

/// What an executor accepts as a freeze.
package struct FreezePolicy: Equatable, Sendable {
    /// `EXECUTOR_REQUIRE_CONSISTENCY=quiesced`: refuses acknowledgements that are only best effort.
    package var requireQuiesced: Bool
    /// `EXECUTOR_ALLOW_UNATTENDED=1`: accepts method `none` on network file systems too.
    package var allowUnattended: Bool

    package init(requireQuiesced: Bool = false, allowUnattended: Bool = false) {
        self.requireQuiesced = requireQuiesced
        self.allowUnattended = allowUnattended
    }
}

/// The executor's side of the protocol for one workspace.
package final class FreezeCoordinator {
    /// - Parameter controlDirectory: the workspace's `.wvs`; must stay open as long as this object and its freezes live.
    package init(controlDirectory: CInt, executorID: String, policy: FreezePolicy = FreezePolicy(), logger: Logger) {
        fatalError()
    }

    /// Creates `control.json`, `control.lock` and `sidecars/` where they are missing; for `init_workspace`.
    ///
    /// - Parameter owner: `EXECUTOR_CONTROL_UID/GID`, under which sidecars write; nil leaves the executor's own.
    package static func prepare(controlDirectory: CInt, owner: (uid: UInt32, gid: UInt32)?) throws(QuiesceError) {
        fatalError()
    }

    /// Freezes every sandbox of the workspace, and keeps it frozen until `Freeze.resume` or `Freeze.abandon`: a thread of
    /// its own renews the lease meanwhile.
    ///
    /// - Parameters:
    ///   - epoch: the task's fence.
    ///   - timeout: for all acknowledgements together. When it passes the agents are released and `timeout` is thrown.
    package func freeze(
        epoch: UInt64, taskID: String, lease: Duration, timeout: Duration, cancellation: Cancellation
    ) throws(QuiesceError) -> Freeze {
        fatalError()
    }

    /// For an executor that starts: releases what an executor of this name had frozen and did not release. What was being
    /// cloned is void.
    ///
    /// - Returns: whether there was anything to release.
    package static func releaseLeftover(controlDirectory: CInt, executorID: String) throws(QuiesceError) -> Bool {
        fatalError()
    }
}

/// Agents that stand still. Ends by `resume` or `abandon`; `deinit` abandons.
package final class Freeze {
    package var acknowledgements: [String: Acknowledgement] { fatalError() }

    /// What the agents held open; `complete` only where each sidecar's list is there and whole.
    package var openFiles: OpenFiles { fatalError() }

    /// The lowest of the acknowledgements' consistencies.
    package var consistency: Consistency { fatalError() }

    /// Throws `broken` once it is known that the freeze does not hold any more, so that a long clone can stop early.
    package func check() throws(QuiesceError) { fatalError() }

    /// Releases the agents, after the last read.
    ///
    /// - Parameters:
    ///   - expectCurrent: nil for a snapshot: throws `broken` unless every sidecar answers that its agent was held. For
    ///     set_current the link's new target (`live/<id>`): sidecars thaw only once their agent sees it, and the receipt
    ///     comes back whatever they answered.
    ///   - timeout: for all answers together.
    package func resume(expectCurrent: String? = nil, timeout: Duration, cancellation: Cancellation)
        throws(QuiesceError) -> Receipt
    {
        fatalError()
    }

    /// Releases the agents without asking: what was read is void. Waits for no answer.
    package func abandon() { fatalError() }
}
