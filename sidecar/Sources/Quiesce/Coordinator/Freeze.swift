package import RuntimeCore

/// Agents that stand still. Ends by `resume` or `abandon`; `deinit` abandons.
package final class Freeze {
    private let session: FreezeSession
    private let watch: ControlWatch
    private let renewal: LeaseThread
    private let epoch: UInt64
    private let began = MonotonicTime.now
    private var isEnded = false

    init(session: FreezeSession, watch: ControlWatch, renewal: LeaseThread, epoch: UInt64) {
        self.session = session
        self.watch = watch
        self.renewal = renewal
        self.epoch = epoch
    }

    deinit { abandon() }

    /// As seen at FROZEN, by sidecar.
    package var acknowledgements: [String: Acknowledgement] { session.acknowledgements }

    /// The lowest of the acknowledgements' consistencies; best effort where somebody may have been left out.
    package var consistency: Consistency { session.consistency }

    /// What the agents held open; `complete` only where each sidecar's list is there and whole.
    package var openFiles: OpenFiles { session.openFiles(epoch: epoch) }

    /// Throws `broken` once it is known that the freeze does not hold any more: to be asked right before what agents must not
    /// see happen while they run. Costs a read of the control file.
    package func check() throws(QuiesceError) {
        if case .failed(let error) = session.observe() { throw error }
    }

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
        precondition(!isEnded, "a freeze ends once")
        // From here on nobody else writes for this executor.
        renewal.stop()
        // A switch goes on in any case: the old tree is abandoned either way.
        if expectCurrent == nil {
            do {
                try input(session.look)
                try check()
            } catch {
                abandon()
                throw error
            }
        }
        // Where this fails the freeze is still to be abandoned.
        try input { () throws(SystemError) in try session.resume(expectCurrent: expectCurrent, timeout: timeout) }
        isEnded = true
        Failpoint.hit("quiesce.resume_written")
        return try awaitReleased(cancellation)
    }

    private func awaitReleased(_ cancellation: Cancellation) throws(QuiesceError) -> Receipt {
        var lastLook = MonotonicTime.now
        while true {
            if cancellation.isCancelled { throw .canceled }
            if watch.registrationsChanged || lastLook + FreezeCoordinator.registrationPoll <= .now {
                watch.registrationsChanged = false
                lastLook = .now
                try input(session.look)
            }
            switch try input(session.turn) {
            case .released(let receipt): return measured(receipt)
            case .failed(let error): throw error
            case .write, .look, .frozen: continue
            case .wait:
                watch.wait(until: min(session.nextDue, .now + watch.interval), cancellation: cancellation)
            }
        }
    }

    /// The coordinator's clock runs from the request, but what a sidecar does before it freezes holds nobody up: `frozen_at` says
    /// when that was over. Its wall clock is believed within what ours allows.
    private func measured(_ receipt: Receipt) -> Receipt {
        let first = receipt.acknowledgements.values.map { $0.frozenAt.microseconds - $0.freezeMicroseconds }.min()
        guard let first else { return receipt }
        var receipt = receipt
        let told = Duration.microseconds(Timestamp.now.microseconds - first)
        receipt.window = min(max(told, MonotonicTime.now - began), receipt.window)
        return receipt
    }

    /// Releases the agents without asking: what was read is void. Waits for no answer; again, or after `resume`, does
    /// nothing.
    package func abandon() {
        if isEnded { return }
        isEnded = true
        renewal.stop()
        session.abandon()
    }
}
