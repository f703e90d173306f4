import HTTPServer
import Model
import Postgres
import RuntimeCore
import Store

/// `/v1/tasks`
struct TaskRoutes: Sendable {
    let pool: PostgresPool
    let watch: TaskWatch
    let closing: Closing

    func add(to router: inout Router) {
        router.on("GET", "/v1/tasks", list)
        router.on("GET", "/v1/tasks/{task_id}", get)
        router.on("POST", "/v1/tasks/{task_id}:cancel", cancel)
    }

    @Sendable private func list(_ request: Request) async throws -> Response {
        let page = try Page(request)
        let filter = TaskFilter(
            wsid: try request.filter("wsid").map(validWorkspaceID),
            status: try request.choice("status"), operation: try request.choice("op"))
        let tasks = try await pool.withConnection { connection in
            try Tasks.list(filter, after: page.after, limit: page.limit + 1, on: connection)
        }
        return page.answer(
            tasks, to: request, key: { PageKey(createdAt: $0.createdAt, id: $0.taskID) }, json: { $0.json })
    }

    @Sendable private func get(_ request: Request) async throws -> Response {
        let taskID = try request.taskID()
        let wait = request.preferredWait
        guard let task = try await watch.task(taskID, waiting: .seconds(wait ?? 0)) else {
            throw APIError.noTask(taskID)
        }
        var response = Response.json(200, task.json)
        response.headers["Cache-Control"] = "no-store"
        response.headers["Vary"] = "Prefer"
        if let wait { response.headers["Preference-Applied"] = "wait=\(wait)" }
        response.logFields = [(.wsid, .text(task.wsid))]
        return response
    }

    @Sendable private func cancel(_ request: Request) async throws -> Response {
        let taskID = try request.taskID()
        try Body.none(request)
        let task = try await closing.cancel(taskID, origin: Origin(request))
        var response = Response.json(200, task.cancelJSON)
        response.logFields = [(.wsid, .text(task.wsid)), (.status, .text(task.status.rawValue))]
        return response
    }
}
