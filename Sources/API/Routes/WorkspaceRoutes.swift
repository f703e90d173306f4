import HTTPServer
import Postgres
import Store

/// `/v1/workspaces`
struct WorkspaceRoutes: Sendable {
    let pool: PostgresPool
    let enqueue: Enqueue
    let closing: Closing

    func add(to router: inout Router) {
        router.on("POST", "/v1/workspaces", create)
        router.on("GET", "/v1/workspaces", list)
        router.on("GET", "/v1/workspaces/{wsid}", get)
        router.on("DELETE", "/v1/workspaces/{wsid}", disable)
        router.on("POST", "/v1/workspaces/{wsid}/retry-init", retryInit)
    }

    @Sendable private func create(_ request: Request) async throws -> Response {
        var body = try Body(request)
        let wsid = try validWorkspaceID(try body.required("wsid", length: 3...63))
        let owner = try body.required("owner", length: 1...255)
        let uid = try body.integer("uid", in: 0...Int(Int32.max))
        let gid = try body.integer("gid", in: 0...Int(Int32.max))
        try body.finish()
        if uid == nil, gid != nil { throw APIError(.badRequest, "gid is given without uid") }
        let submission = try Submission(request, wsid: wsid, body: body)
        return try await enqueue.workspace(submission, owner: owner, uid: uid, gid: gid ?? uid).workspaceResponse
    }

    @Sendable private func list(_ request: Request) async throws -> Response {
        let page = try Page(request)
        let workspaces = try await pool.withConnection { connection in
            try Workspaces.list(after: page.after, limit: page.limit + 1, on: connection)
        }
        return page.answer(
            workspaces, to: request, key: { PageKey(createdAt: $0.createdAt, id: $0.wsid) }, json: { $0.json })
    }

    @Sendable private func get(_ request: Request) async throws -> Response {
        let wsid = try request.wsid()
        guard let workspace = try await Workspaces.get(wsid, on: pool) else { throw APIError.noWorkspace(wsid) }
        return .json(200, workspace.json)
    }

    @Sendable private func retryInit(_ request: Request) async throws -> Response {
        let wsid = try request.wsid()
        let body = try Body.none(request)
        return try await enqueue.retryInit(try Submission(request, wsid: wsid, body: body)).response
    }

    @Sendable private func disable(_ request: Request) async throws -> Response {
        let wsid = try request.wsid()
        try Body.none(request)
        return .json(200, try await closing.disable(wsid, origin: Origin(request)).stateJSON)
    }
}
