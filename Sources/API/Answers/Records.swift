import JSON
import Model
import RuntimeCore
import Store

extension Workspace {
    var json: JSONValue {
        [
            "wsid": .string(wsid), "owner": .string(owner), "state": .string(state.rawValue),
            "root_path": .string(rootPath), "current_path": .string(currentPath),
            "current_snapshot_id": JSONValue(currentSnapshotID), "uid": JSONValue(uid), "gid": JSONValue(gid),
            "created_at": JSONValue(createdAt), "updated_at": JSONValue(updatedAt),
        ]
    }

    /// What disabling it answers.
    var stateJSON: JSONValue {
        ["wsid": .string(wsid), "state": .string(state.rawValue), "updated_at": JSONValue(updatedAt)]
    }

    /// What `GET …/current` shows.
    var currentJSON: JSONValue {
        [
            "wsid": .string(wsid), "current_path": .string(currentPath),
            "current_snapshot_id": JSONValue(currentSnapshotID), "updated_at": JSONValue(updatedAt),
        ]
    }
}

extension Snapshot {
    var json: JSONValue {
        [
            "snapshot_id": .string(snapshotID), "message": JSONValue(message), "fs_path": .string(fsPath),
            "created_at": JSONValue(createdAt),
        ]
    }
}

extension TaskRecord {
    var json: JSONValue {
        [
            "task_id": .string(taskID), "wsid": .string(wsid), "op": .string(operation.rawValue),
            "status": .string(status.rawValue), "attempt": JSONValue(attempt), "max_attempts": JSONValue(maxAttempts),
            "created_at": JSONValue(createdAt), "started_at": JSONValue(startedAt), "ended_at": JSONValue(endedAt),
            "next_run_at": JSONValue(nextRunAt), "timeout_seconds": JSONValue(timeoutSeconds),
            "cancel_requested": .bool(cancelRequested), "request_id": JSONValue(requestID),
            "params": .object(params), "progress": progress ?? .null, "result": result ?? .null,
            "error": error?.json ?? .null,
        ]
    }
}

extension TaskRecord {
    /// What cancelling it answers.
    var cancelJSON: JSONValue {
        [
            "task_id": .string(taskID), "status": .string(status.rawValue), "cancel_requested": .bool(cancelRequested),
        ]
    }
}

extension AuditRecord {
    var json: JSONValue {
        [
            "event_id": .integer(eventID), "ts": JSONValue(timestamp), "wsid": JSONValue(wsid), "actor": actor,
            "action": .string(action), "request_id": JSONValue(requestID), "task_id": JSONValue(taskID),
            "payload": payload,
        ]
    }
}

extension JSONValue {
    fileprivate init(_ value: Int?) { self = value.map { .integer(Int64($0)) } ?? .null }
    fileprivate init(_ value: Timestamp?) { self = value.map { .string($0.description) } ?? .null }
}
