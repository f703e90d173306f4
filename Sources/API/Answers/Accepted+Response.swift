import HTTPServer
import JSON
import Model

extension Accepted {
    /// The answer to an asynchronous write: `{task_id, status}`.
    var response: Response { response(["task_id": .string(task.taskID), "status": .string(task.status.rawValue)]) }

    /// The answer to the creation of a workspace.
    var workspaceResponse: Response {
        response([
            "wsid": .string(task.wsid), "state": .string(workspaceState.rawValue), "init_task_id": .string(task.taskID),
        ])
    }

    private func response(_ body: JSONValue) -> Response {
        var response = Response.json(202, body)
        response.headers["Location"] = "/v1/tasks/\(task.taskID)"
        response.headers["Retry-After"] = "1"
        if isReplay { response.headers["Idempotency-Replayed"] = "true" }
        response.logFields = [(.wsid, .text(task.wsid)), (.taskID, .text(task.taskID))]
        return response
    }
}
