import HTTPServer
import Model
import Runtime

extension Request {
    func wsid() throws(APIError) -> String { try validWorkspaceID(parameter("wsid")) }

    func snapshotID() throws(APIError) -> String { try validID(parameter("snapshot_id"), "snapshot_id") }

    func taskID() throws(APIError) -> String { try validID(parameter("task_id"), "task_id") }
}

func validWorkspaceID(_ text: String) throws(APIError) -> String {
    guard WorkspaceID.isValid(text) else { throw .badRequest("wsid must match \(WorkspaceID.pattern)") }
    return text
}

func validID(_ text: String, _ name: String) throws(APIError) -> String {
    guard UUIDv7.isValid(text) else { throw .badRequest("\(name) must be a UUID v7 in lower case") }
    return text
}

extension Request {
    /// A query parameter's value; nil where it is not given.
    func filter(_ name: String) throws(APIError) -> String? {
        let values = query.items.filter { $0.name == name }.map(\.value)
        // Whichever were taken, the client may have meant the other, or both.
        guard values.count < 2 else { throw .badRequest("\(name) is given more than once") }
        return values.first
    }

    /// A filter's value, of those that there are; nil where it is not given.
    func choice<Choice: RawRepresentable & CaseIterable>(_ name: String) throws(APIError) -> Choice?
    where Choice.RawValue == String {
        guard let text = try filter(name) else { return nil }
        guard let choice = Choice(rawValue: text) else {
            throw .badRequest("\(name) must be one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
        }
        return choice
    }
}
