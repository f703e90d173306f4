import ExecutorRPC
import Runtime

/// What ExecuteTask and Settle ask for alike.
protocol AttemptRequest {
    var taskID: String { get }
    var wsid: String { get }
    var fence: UInt64 { get }
    var requestID: String { get }
    var operation: Operation { get }
}

extension ExecuteTaskRequest: AttemptRequest {}
extension SettleRequest: AttemptRequest {}

/// What a request must look like before anything is done: the executor trusts nobody (design 2).
enum RequestCheck {
    /// The refusal of a malformed request; nil for a good one.
    static func failure(_ request: some AttemptRequest) -> TaskFailure? {
        if !UUIDv7.isValid(request.taskID) { return refusal("task_id is no UUID v7") }
        if !Names.isWorkspaceID(request.wsid) { return refusal("wsid is malformed") }
        if request.fence == 0 { return refusal("fence is missing") }
        for (name, id) in ids(request.operation) where !UUIDv7.isValid(id) { return refusal("\(name) is no UUID v7") }
        return nil
    }

    private static func ids(_ operation: Operation) -> [(name: String, id: String)] {
        switch operation {
        case .initWorkspace(let liveID, _): [("live_id", liveID)]
        case .snapshotCreate(let snapshotID, _), .snapshotDrop(let snapshotID): [("snapshot_id", snapshotID)]
        case .setCurrent(let snapshotID, let liveID, _): [("snapshot_id", snapshotID), ("live_id", liveID)]
        }
    }

    private static func refusal(_ message: String) -> TaskFailure {
        TaskFailure(code: .badRequest, message: message, retryable: false)
    }
}
