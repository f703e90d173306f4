package import JSON
package import RuntimeCore

/// What a task does (seeds 04).
package enum TaskOperation: String, CaseIterable, Sendable {
    case initWorkspace = "init_workspace"
    case snapshotCreate = "snapshot_create"
    case snapshotDrop = "snapshot_drop"
    case setCurrent = "set_current"
}

/// Where a task is (seeds 06).
package enum TaskStatus: String, CaseIterable, Sendable {
    case pending = "PENDING"
    case running = "RUNNING"
    case succeeded = "SUCCEEDED"
    case failed = "FAILED"
    case canceled = "CANCELED"
    case dead = "DEAD"

    /// Nothing will happen to such a task any more. FAILED is not among them: it waits for its retry, and the last failure
    /// goes through FAILED to DEAD in one transaction.
    package var isEnded: Bool { self == .succeeded || self == .canceled || self == .dead }
}

/// A row of `wvs.tasks`.
package struct TaskRecord: Equatable, Sendable {
    package var taskID: String
    package var wsid: String
    package var operation: TaskOperation
    package var status: TaskStatus
    package var idempotencyKey: String
    package var requestHash: String
    package var requestID: String?
    package var createdAt: Timestamp
    package var startedAt: Timestamp?
    package var endedAt: Timestamp?
    package var attempt: Int
    package var maxAttempts: Int
    package var nextRunAt: Timestamp
    /// The deadline of one attempt.
    package var timeoutSeconds: Int
    package var cancelRequested: Bool
    /// The fence of the running or last attempt; nil before the first.
    package var fence: Int64?
    package var params: JSONObject
    package var progress: JSONValue?
    package var result: JSONValue?
    package var error: TaskError?

    package init(
        taskID: String, wsid: String, operation: TaskOperation, status: TaskStatus, idempotencyKey: String,
        requestHash: String, requestID: String?, createdAt: Timestamp, startedAt: Timestamp? = nil,
        endedAt: Timestamp? = nil, attempt: Int = 0, maxAttempts: Int = 5, nextRunAt: Timestamp,
        timeoutSeconds: Int = 300, cancelRequested: Bool = false, fence: Int64? = nil, params: JSONObject = [:],
        progress: JSONValue? = nil, result: JSONValue? = nil, error: TaskError? = nil
    ) {
        self.taskID = taskID
        self.wsid = wsid
        self.operation = operation
        self.status = status
        self.idempotencyKey = idempotencyKey
        self.requestHash = requestHash
        self.requestID = requestID
        self.createdAt = createdAt
        self.startedAt = startedAt
        self.endedAt = endedAt
        self.attempt = attempt
        self.maxAttempts = maxAttempts
        self.nextRunAt = nextRunAt
        self.timeoutSeconds = timeoutSeconds
        self.cancelRequested = cancelRequested
        self.fence = fence
        self.params = params
        self.progress = progress
        self.result = result
        self.error = error
    }
}

extension TaskRecord {
    /// The member of `params` that carries the request's `traceparent`.
    package static let traceMember = "traceparent"

    /// The W3C Trace Context of the request that made the task, as text.
    package var traceparent: String? { params[TaskRecord.traceMember]?.string }
}

/// The error of a task's last attempt: `{code, message, retryable, attempt, details}` (design 3).
package struct TaskError: Equatable, Sendable {
    /// A `WVS_*` code, `QUIESCE_TIMEOUT` or `QUIESCE_BROKEN`.
    package var code: String
    package var message: String
    package var retryable: Bool
    package var attempt: Int
    package var details: JSONObject

    package init(code: String, message: String, retryable: Bool, attempt: Int, details: JSONObject = [:]) {
        self.code = code
        self.message = message
        self.retryable = retryable
        self.attempt = attempt
        self.details = details
    }

    package var json: JSONValue {
        [
            "code": .string(code), "message": .string(message), "retryable": .bool(retryable),
            "attempt": .integer(Int64(attempt)), "details": .object(details),
        ]
    }

    /// Reads what `json` wrote; nil where a member is missing.
    package init?(_ json: JSONValue) {
        guard let code = json["code"]?.string, let message = json["message"]?.string,
            let retryable = json["retryable"]?.bool, let attempt = json["attempt"]?.integer
        else { return nil }
        self.init(
            code: code, message: message, retryable: retryable, attempt: Int(attempt),
            details: json["details"]?.object ?? [:])
    }
}
