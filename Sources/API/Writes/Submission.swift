import HTTPServer
import Model
import Runtime
import Store

/// Who asks for a write, for the audit trail.
struct Origin: Sendable {
    let requestID: String
    let actor: Actor

    init(_ request: Request) {
        requestID = request.id
        actor = .anonymous(address: request.peer)
    }
}

/// A request for a task, syntactically sound: what all asynchronous writes have in common.
struct Submission: Sendable {
    let wsid: String
    let idempotencyKey: String
    let requestHash: String
    let origin: Origin
    let trace: TraceParent?

    /// Call it after everything else of the request has been read: a missing key is told last.
    init(_ request: Request, wsid: String, body: Body) throws(APIError) {
        self.wsid = wsid
        idempotencyKey = try request.idempotencyKey()
        requestHash = RequestHash.make(body: body.json, method: request.method, path: request.path)
        origin = Origin(request)
        trace = request.trace
    }
}

/// What became of a submission.
struct Accepted: Sendable {
    let task: TaskRecord
    /// The workspace's state at this moment.
    let workspaceState: WorkspaceState
    /// The same request had been accepted before.
    let isReplay: Bool
}
