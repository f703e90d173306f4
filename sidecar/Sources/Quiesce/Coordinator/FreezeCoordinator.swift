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
package struct FreezeCoordinator {
    /// How often to look who is attached, whether or not inotify says anything.
    static let registrationPoll = Duration.milliseconds(50)

    private let control: ControlDirectory
    private let executorID: String
    private let policy: FreezePolicy
    private let logger: Logger

    var registrations: RegistrationFolder { RegistrationFolder(control: control) }

    /// - Parameters:
    ///   - controlDirectory: the workspace's `.wvs`; open until `freeze` has returned.
    ///   - executorID: at most 64 bytes.
    package init(controlDirectory: CInt, executorID: String, policy: FreezePolicy = FreezePolicy(), logger: Logger) {
        control = ControlDirectory(descriptor: controlDirectory)
        self.executorID = executorID
        self.policy = policy
        self.logger = logger
    }

    /// Freezes every sandbox of the workspace, and keeps it frozen until `Freeze.resume` or `Freeze.abandon`: a thread of
    /// its own renews the lease meanwhile.
    ///
    /// - Parameters:
    ///   - epoch: the task's fence; each is good for one freeze.
    ///   - requestID: for the sidecars' logs; cut to 64 bytes.
    ///   - expectCurrent: for set_current: what `current` will point at. Nothing may be read under such a freeze, and `resume` has to
    ///     be called with the same.
    ///   - lease: how long an agent stays frozen after the executor's last sign of life; at most 60 s.
    ///   - timeout: for all acknowledgements together. When it passes the agents are released and `timeout` is thrown; also
    ///     before, where a sidecar has died or said that it can not.
    ///   - cancellation: of the caller's work; cancelled from here where the freeze is found broken meanwhile.
    package func freeze(
        epoch: UInt64, taskID: String, requestID: String? = nil, expectCurrent: String? = nil, lease: Duration,
        timeout: Duration, cancellation: Cancellation
    ) throws(QuiesceError) -> Freeze {
        let leases = 1...ControlDocument.maximumLeaseMilliseconds
        guard leases.contains(lease.wholeMilliseconds) else { throw .refused("a lease is 1 ms to 60 s") }
        let request = CoordinatorMachine.Request(
            epoch: epoch, taskID: taskID, requestID: requestID.map(Self.prefix), executor: executorID, lease: lease,
            policy: policy, isOnNetwork: control.isOnNetwork, expectCurrent: expectCurrent)
        let session = try input { () throws(SystemError) in
            FreezeSession(directory: try control.duplicate(), request: request, timeout: timeout, logger: logger)
        }
        let watch = ControlWatch(control.descriptor, isOnNetwork: request.isOnNetwork)
        let renewal = try input { () throws(SystemError) in try LeaseThread(session, of: cancellation, logger: logger) }
        do {
            try awaitFrozen(session, watch, cancellation)
            for id in session.departed {
                logger.warn("a sidecar has died, and its agent may still run: best effort", [.sidecar: .text(id)])
            }
            Failpoint.hit("quiesce.frozen_seen")
            return Freeze(session: session, watch: watch, renewal: renewal, epoch: epoch)
        } catch {
            session.abandon()
            throw error
        }
    }

    /// What the document has room for. For people: a part of it tells as much.
    private static func prefix(_ requestID: String) -> String {
        var result = requestID
        while result.utf8.count > 64 { result.removeLast() }
        return result
    }

    private func awaitFrozen(_ session: FreezeSession, _ watch: ControlWatch, _ cancellation: Cancellation)
        throws(QuiesceError)
    {
        var lastLook = MonotonicTime.now
        while true {
            if cancellation.isCancelled { throw .canceled }
            // Before the document is read: a sidecar that acknowledged and then left has been heard.
            if watch.registrationsChanged || lastLook + Self.registrationPoll <= .now {
                watch.registrationsChanged = false
                lastLook = .now
                try input(session.look)
            }
            switch try input(session.turn) {
            case .frozen: return
            case .failed(let error): throw error
            case .write: Failpoint.hit("quiesce.request_written")
            case .look: watch.registrationsChanged = true
            case .wait, .released:
                let poll = session.isUnattended ? Self.registrationPoll : watch.interval
                watch.wait(until: min(session.nextDue, .now + poll), cancellation: cancellation)
            }
        }
    }

    /// Creates `control.json`, `control.lock` and `sidecars/` where they are missing; for `init_workspace`.
    ///
    /// - Parameter owner: `EXECUTOR_CONTROL_UID/GID`, under which sidecars write; nil leaves the executor's own.
    package static func prepare(controlDirectory: CInt, owner: (uid: UInt32, gid: UInt32)?) throws(QuiesceError) {
        let control = ControlDirectory(descriptor: controlDirectory)
        try input { () throws(SystemError) in
            try control.makeFolder(RegistrationFolder.name, owner: owner)
            try control.makeFile(ControlFile.lockName, owner: owner)
            try control.makeFile(ControlFile.name, owner: owner)
            _ = try ControlFile(directory: control).update { reading in
                // An empty document is read as invalid; any other is left alone.
                if case .invalid = reading { ControlDocument() } else { nil }
            }
        }
    }

    /// For an executor that starts: releases what a dead executor of this name had frozen and did not release. What was being
    /// cloned is void.
    ///
    /// - Returns: whether there was anything to release.
    @discardableResult
    package static func releaseLeftover(controlDirectory: CInt, executorID: String) throws(QuiesceError) -> Bool {
        let control = ControlDirectory(descriptor: controlDirectory)
        if FreezeHold.isTaken(in: control) { return false }
        let file = ControlFile(directory: control)
        return try input { () throws(SystemError) in
            try file.update { released($0, executorID: executorID) }.written
        }
    }

    static func released(_ reading: Reading, executorID: String) -> ControlDocument? {
        guard var document = reading.document, document.executor == executorID,
            document.state == .requestFreeze || document.state == .frozen
        else { return nil }
        document.state = .requestResume
        // Without acknowledgements no sidecar can say that it was held for a reader that is gone.
        document.acknowledgements = [:]
        document.expectCurrent = nil
        return document
    }
}

/// Turns a system call's error into this module's.
func input<Result>(_ body: () throws(SystemError) -> Result) throws(QuiesceError) -> Result {
    do {
        return try body()
    } catch {
        throw .io(error)
    }
}
