import HTTPServer
import Postgres
import Store

/// `/v1/workspaces/{wsid}/snapshots`
struct SnapshotRoutes: Sendable {
    let pool: PostgresPool
    let enqueue: Enqueue

    func add(to router: inout Router) {
        router.on("POST", "/v1/workspaces/{wsid}/snapshots", create)
        router.on("GET", "/v1/workspaces/{wsid}/snapshots", list)
        router.on("GET", "/v1/workspaces/{wsid}/snapshots/{snapshot_id}", get)
        router.on("DELETE", "/v1/workspaces/{wsid}/snapshots/{snapshot_id}", drop)
    }

    @Sendable private func create(_ request: Request) async throws -> Response {
        let wsid = try request.wsid()
        var body = try Body(request)
        let message = try body.string("message", length: 0...4096)
        try body.finish()
        let submission = try Submission(request, wsid: wsid, body: body)
        return try await enqueue.snapshot(submission, message: message).response
    }

    @Sendable private func list(_ request: Request) async throws -> Response {
        let wsid = try request.wsid()
        let page = try Page(request)
        let snapshots = try await pool.withConnection { connection in
            guard try Workspaces.get(wsid, on: connection) != nil else { throw APIError.noWorkspace(wsid) }
            return try Snapshots.list(of: wsid, after: page.after, limit: page.limit + 1, on: connection)
        }
        return page.answer(
            snapshots, to: request, key: { PageKey(createdAt: $0.createdAt, id: $0.snapshotID) }, json: { $0.json })
    }

    @Sendable private func get(_ request: Request) async throws -> Response {
        let wsid = try request.wsid()
        let snapshotID = try request.snapshotID()
        guard let snapshot = try await Snapshots.get(snapshotID, of: wsid, on: pool) else {
            throw APIError.noSnapshot(snapshotID, in: wsid)
        }
        return .json(200, snapshot.json)
    }

    @Sendable private func drop(_ request: Request) async throws -> Response {
        let wsid = try request.wsid()
        let snapshotID = try request.snapshotID()
        let submission = try Submission(request, wsid: wsid, body: try Body.none(request))
        return try await enqueue.drop(submission, snapshotID: snapshotID).response
    }
}
