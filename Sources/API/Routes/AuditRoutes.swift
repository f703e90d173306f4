import HTTPServer
import Model
import Postgres
import Store

/// `/v1/audit`
struct AuditRoutes: Sendable {
    let pool: PostgresPool

    func add(to router: inout Router) { router.on("GET", "/v1/audit", list) }

    @Sendable private func list(_ request: Request) async throws -> Response {
        let page = try Page(request)
        let after = try page.after.map { key throws(APIError) in
            guard let eventID = Int64(key.id) else { throw .badRequest("the cursor is not one of this list") }
            return AuditKey(timestamp: key.createdAt, eventID: eventID)
        }
        let filter = AuditFilter(
            wsid: try request.filter("wsid").map(validWorkspaceID),
            taskID: try request.filter("task_id").map { text throws(APIError) in try validID(text, "task_id") },
            action: try request.choice("action"))
        let events = try await pool.withConnection { connection in
            try Audit.list(filter, after: after, limit: page.limit + 1, on: connection)
        }
        return page.answer(
            events, to: request, key: { PageKey(createdAt: $0.timestamp, id: String($0.eventID)) }, json: { $0.json })
    }
}
