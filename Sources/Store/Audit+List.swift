package import JSON
package import Model
package import Postgres
package import RuntimeCore

/// A row of `wvs.audit`.
package struct AuditRecord: Equatable, Sendable {
    package let eventID: Int64
    package let timestamp: Timestamp
    package let wsid: String?
    package let actor: JSONValue
    /// One of `AuditAction`, unless a later release wrote it.
    package let action: String
    package let requestID: String?
    package let taskID: String?
    package let payload: JSONValue
}

/// Which events a list shows; nil shows all.
package struct AuditFilter: Sendable {
    package var wsid: String?
    package var taskID: String?
    package var action: AuditAction?

    package init(wsid: String? = nil, taskID: String? = nil, action: AuditAction? = nil) {
        self.wsid = wsid
        self.taskID = taskID
        self.action = action
    }
}

/// Where a page of the audit trail ends.
package struct AuditKey: Equatable, Sendable {
    package let timestamp: Timestamp
    package let eventID: Int64

    package init(timestamp: Timestamp, eventID: Int64) {
        self.timestamp = timestamp
        self.eventID = eventID
    }
}

extension Audit {
    /// Newest first.
    package static func list(
        _ filter: AuditFilter, after key: AuditKey?, limit: Int, on connection: isolated PostgresConnection
    ) throws(PostgresError) -> [AuditRecord] {
        try connection.query(page(filter, after: key, limit: limit)).map { row throws(PostgresError) in
            AuditRecord(
                eventID: try row.value("event_id"), timestamp: try row.value("ts"), wsid: try row.value("wsid"),
                actor: try row.value("actor"), action: try row.value("action"), requestID: try row.value("request_id"),
                taskID: try row.value("task_id"), payload: try row.value("payload"))
        }
    }

    static func page(_ filter: AuditFilter, after key: AuditKey?, limit: Int) -> Query {
        var conditions: Query =
            key.map { "(ts, event_id) < (\($0.timestamp)::timestamptz, \($0.eventID)::bigint)" } ?? "true"
        if let wsid = filter.wsid { conditions = "\(conditions) AND wsid = \(wsid)" }
        if let taskID = filter.taskID { conditions = "\(conditions) AND task_id = \(taskID)" }
        if let action = filter.action { conditions = "\(conditions) AND action = \(action)" }
        return """
            SELECT event_id, ts, wsid, actor, action, request_id, task_id, payload FROM wvs.audit WHERE \(conditions)
            ORDER BY ts DESC, event_id DESC LIMIT \(limit)
            """
    }
}
