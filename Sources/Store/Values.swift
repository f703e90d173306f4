package import JSON
package import Model
import Postgres

extension TaskOperation: PostgresValue {}
extension TaskStatus: PostgresValue {}
extension WorkspaceState: PostgresValue {}
extension AuditAction: PostgresValue {}

/// For `jsonb`.
extension JSONValue: PostgresValue {
    package var postgresText: String? { text }

    package init?(postgresText: String?) {
        guard let postgresText else { return nil }
        do {
            try self.init(parsing: postgresText)
        } catch {
            return nil
        }
    }
}

extension JSONObject: PostgresValue {
    package var postgresText: String? { JSONValue.object(self).text }

    package init?(postgresText: String?) {
        guard let object = JSONValue(postgresText: postgresText)?.object else { return nil }
        self = object
    }
}

extension TaskError: PostgresValue {
    package var postgresText: String? { json.text }

    package init?(postgresText: String?) {
        guard let value = JSONValue(postgresText: postgresText) else { return nil }
        self.init(value)
    }
}
