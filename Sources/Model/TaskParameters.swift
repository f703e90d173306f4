package import JSON

/// What a task needs to know, as `tasks.params` holds it. Ids of what the work will create are fixed here when the task is
/// accepted, so that all its attempts agree (design 5).
package enum TaskParameters: Equatable, Sendable {
    /// - uid, gid: owner of the live tree; nil leaves it to the executor.
    case initWorkspace(liveID: String, uid: Int?, gid: Int?)
    case snapshotCreate(snapshotID: String, message: String?)
    case snapshotDrop(snapshotID: String)
    /// - discard: clone even where the snapshot is already current.
    case setCurrent(snapshotID: String, liveID: String, discard: Bool)

    package var operation: TaskOperation {
        switch self {
        case .initWorkspace: .initWorkspace
        case .snapshotCreate: .snapshotCreate
        case .snapshotDrop: .snapshotDrop
        case .setCurrent: .setCurrent
        }
    }

    package var json: JSONObject {
        switch self {
        case .initWorkspace(let liveID, let uid, let gid):
            var object: JSONObject = ["live_id": .string(liveID)]
            if let uid { object["uid"] = .integer(Int64(uid)) }
            if let gid { object["gid"] = .integer(Int64(gid)) }
            return object
        case .snapshotCreate(let snapshotID, let message):
            return ["snapshot_id": .string(snapshotID), "message": JSONValue(message)]
        case .snapshotDrop(let snapshotID):
            return ["snapshot_id": .string(snapshotID)]
        case .setCurrent(let snapshotID, let liveID, let discard):
            return ["snapshot_id": .string(snapshotID), "live_id": .string(liveID), "discard": .bool(discard)]
        }
    }

    /// Reads what `json` wrote; nil where a member is missing.
    package init?(_ operation: TaskOperation, _ json: JSONObject) {
        let snapshotID = json["snapshot_id"]?.string
        let liveID = json["live_id"]?.string
        switch operation {
        case .initWorkspace:
            guard let liveID else { return nil }
            self = .initWorkspace(
                liveID: liveID, uid: json["uid"]?.integer.map { Int($0) }, gid: json["gid"]?.integer.map { Int($0) })
        case .snapshotCreate:
            guard let snapshotID else { return nil }
            self = .snapshotCreate(snapshotID: snapshotID, message: json["message"]?.string)
        case .snapshotDrop:
            guard let snapshotID else { return nil }
            self = .snapshotDrop(snapshotID: snapshotID)
        case .setCurrent:
            guard let snapshotID, let liveID else { return nil }
            self = .setCurrent(snapshotID: snapshotID, liveID: liveID, discard: json["discard"]?.bool ?? false)
        }
    }
}
