import HTTPServer
import Postgres
import RuntimeCore
import Store

/// `/v1/tasks`
struct TaskRoutes: Sendable {
    let pool: PostgresPool
    let watch: TaskWatch

    func add(to router: inout Router) { router.on("GET", "/v1/tasks/{task_id}", get) }

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
