import HTTPServer
import Model
import Postgres
import RuntimeCore
import Store

/// `/v1/tasks`
struct TaskRoutes: Sendable {
    let pool: PostgresPool
    let watch: TaskWatch

    func add(to router: inout Router) {
        router.on("GET", "/v1/tasks", list)
        router.on("GET", "/v1/tasks/{task_id}", get)
    }

    @Sendable private func list(_ request: Request) async throws -> Response {
        let page = try Page(request)
        let filter = TaskFilter(
            wsid: try request.query["wsid"].map(validWorkspaceID),
            status: try choice(request, "status"), operation: try choice(request, "op"))
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
}

/// A filter's value, of those that there are; nil where it is not given.
private func choice<Choice: RawRepresentable & CaseIterable>(_ request: Request, _ name: String) throws(APIError)
    -> Choice?
where Choice.RawValue == String {
    guard let text = request.query[name] else { return nil }
    guard let choice = Choice(rawValue: text) else {
        throw .badRequest("\(name) must be one of \(Choice.allCases.map(\.rawValue).joined(separator: ", "))")
    }
    return choice
}
