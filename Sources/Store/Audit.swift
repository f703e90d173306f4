package import JSON
package import Model
package import Postgres
import RuntimeCore

/// Who did something.
package enum Actor: Equatable, Sendable {
    /// A client without authentication, by its network address.
    case anonymous(address: String)
    case worker(id: String)

    package var json: JSONObject {
        switch self {
        case .anonymous(let address): ["type": "anonymous", "addr": .string(address)]
        case .worker(let id): ["type": "worker", "id": .string(id)]
        }
    }
}

/// One thing that happened, before it has a row.
package struct AuditEvent: Equatable, Sendable {
    package var action: AuditAction
    package var actor: Actor
    package var wsid: String?
    package var requestID: String?
    package var taskID: String?
    package var before: JSONValue
    package var after: JSONValue
    package var error: JSONValue

    package init(
        _ action: AuditAction, by actor: Actor, wsid: String?, requestID: String?, taskID: String?,
        before: JSONValue = .null, after: JSONValue = .null, error: JSONValue = .null
    ) {
        self.action = action
        self.actor = actor
        self.wsid = wsid
        self.requestID = requestID
        self.taskID = taskID
        self.before = before
        self.after = after
        self.error = error
    }

    /// The members that seeds 04 asks for.
    var payload: JSONObject {
        [
            "action": .string(action.rawValue), "wsid": JSONValue(wsid), "request_id": JSONValue(requestID),
            "task_id": JSONValue(taskID), "before": before, "after": after, "error": error,
        ]
    }
}

/// Rows of `wvs.audit`. Always written in the transaction that they describe.
package enum Audit {
    package static func insert(_ event: AuditEvent, on connection: isolated PostgresConnection) throws(PostgresError) {
        try insert([event], on: connection)
    }

    /// In one statement, and in this order.
    package static func insert(
        _ events: [AuditEvent], on connection: isolated PostgresConnection
    ) throws(PostgresError) {
        guard !events.isEmpty else { return }
        try connection.execute(
            """
            INSERT INTO wvs.audit (wsid, actor, action, request_id, task_id, payload)
            SELECT wsid, actor, action, request_id, task_id, payload
            FROM unnest(\(events.map(\.wsid))::text[], \(events.map(\.actor.json))::jsonb[],
                        \(events.map(\.action))::text[], \(events.map(\.requestID))::text[],
                        \(events.map(\.taskID))::text[], \(events.map(\.payload))::jsonb[])
                 WITH ORDINALITY AS e(wsid, actor, action, request_id, task_id, payload, position)
            ORDER BY position
            """)
    }

    static func insertion(_ event: AuditEvent, onlyWhere condition: Query) -> Query {
        """
        INSERT INTO wvs.audit (wsid, actor, action, request_id, task_id, payload)
        SELECT \(event.wsid), \(event.actor.json)::jsonb, \(event.action), \(event.requestID), \(event.taskID),
               \(event.payload)::jsonb
        WHERE \(condition)
        """
    }
}
