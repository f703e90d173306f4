package import RuntimeCore

/// `.wvs/control.json`, version 1 of the protocol.
package struct ControlDocument: Equatable, Sendable {
    package enum State: String, CaseIterable, Sendable {
        case running = "RUNNING"
        case requestFreeze = "REQUEST_FREEZE"
        case frozen = "FROZEN"
        case requestResume = "REQUEST_RESUME"
    }

    /// First and, as `end`, last in the text; higher with each write.
    package var sequence: UInt64
    package var state: State
    /// The task's fence.
    package var epoch: UInt64
    package var taskID: String
    /// Of the request that made the task, for the log; nil where the executor does not say.
    package var requestID: String?
    /// When it was written; for people.
    package var timestamp: Timestamp
    package var leaseMilliseconds: Int64
    /// Moves while the executor that wants the freeze is alive.
    package var leaseSequence: UInt64
    package var executor: String
    /// The sidecars that must acknowledge.
    package var expects: [String]
    /// By sidecar.
    package var acknowledgements: [String: Acknowledgement]
    /// With REQUEST_RESUME: what `current` must be seen to point at before the thaw, for example `live/<id>`.
    package var expectCurrent: String?
    /// Why a sidecar could not freeze or did not hold, by sidecar.
    package var errors: [String: String]

    package init(
        sequence: UInt64 = 0, state: State = .running, epoch: UInt64 = 0, taskID: String = "",
        requestID: String? = nil, timestamp: Timestamp = .now, leaseMilliseconds: Int64 = 0, leaseSequence: UInt64 = 0,
        executor: String = "",
        expects: [String] = [], acknowledgements: [String: Acknowledgement] = [:], expectCurrent: String? = nil,
        errors: [String: String] = [:]
    ) {
        self.sequence = sequence
        self.state = state
        self.epoch = epoch
        self.taskID = taskID
        self.requestID = requestID
        self.timestamp = timestamp
        self.leaseMilliseconds = leaseMilliseconds
        self.leaseSequence = leaseSequence
        self.executor = executor
        self.expects = expects
        self.acknowledgements = acknowledgements
        self.expectCurrent = expectCurrent
        self.errors = errors
    }
}
