import HTTPServer
import Postgres
import Store

/// `/v1/workspaces/{wsid}/current`
struct CurrentRoutes: Sendable {
    let pool: PostgresPool
    let enqueue: Enqueue

    func add(to router: inout Router) {
        router.on("GET", "/v1/workspaces/{wsid}/current", get)
        router.on("POST", "/v1/workspaces/{wsid}/current:set", set)
    }

    @Sendable private func get(_ request: Request) async throws -> Response {
        let wsid = try request.wsid()
        guard let workspace = try await Workspaces.get(wsid, on: pool) else { throw APIError.noWorkspace(wsid) }
        return .json(200, ["data": workspace.currentJSON])
    }

    @Sendable private func set(_ request: Request) async throws -> Response {
        let wsid = try request.wsid()
        var body = try Body(request)
        let snapshotID = try validID(try body.required("snapshot_id", length: 1...64), "snapshot_id")
        let discard = try body.bool("discard") ?? false
        try body.finish()
        let submission = try Submission(request, wsid: wsid, body: body)
        return try await enqueue.setCurrent(submission, snapshotID: snapshotID, discard: discard).response
    }
}
