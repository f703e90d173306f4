import JSON
import Model
import Postgres
import Runtime
import RuntimeCore
import Store
import TestSupport
import Testing

@Suite struct SnapshotTests {
    private static let path = "/v1/workspaces/ws-1/snapshots"

    @Test("creating a snapshot answers 202, fixes the snapshot's id and tells the workers", .timeLimit(.minutes(1)))
    func create() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let listener = Listener(dsn: api.dsn, logger: Logger(level: .error))
            let listening = Task { try await listener.run() }
            var heard = listener.notifications(.tasks).makeAsyncIterator()
            #expect(await heard.next() == .resumed)

            let answer = try await api.post(Self.path, ["message": "before"], key: "k")
            #expect(answer.status == 202)
            let taskID = try #require(try answer.json["task_id"]?.string)
            #expect(try answer.json == ["task_id": .string(taskID), "status": "PENDING"])
            #expect(await heard.next() == .received(payload: ""))
            listener.shutdown()
            try await listening.value

            let task = try await api.get("/v1/tasks/\(taskID)").json
            #expect(task["op"] == "snapshot_create")
            #expect(task["params"]?["message"] == "before")
            #expect(UUIDv7.isValid(task["params"]?["snapshot_id"]?.string ?? ""))
            let audit = try await api.count(
                """
                SELECT count(*) FROM wvs.audit a JOIN wvs.tasks t USING (task_id)
                WHERE a.action = 'workspace.snapshot_create' AND a.xmin = t.xmin AND a.request_id = t.request_id
                """)
            #expect(audit == 1)
        }
    }

    @Test(
        "what changes a workspace needs it to be ACTIVE",
        arguments: [
            (WorkspaceState.provisioning, "412 WVS_PRECONDITION_FAILED"),
            (.initFailed, "412 WVS_PRECONDITION_FAILED"), (.disabled, "410 WVS_GONE"),
        ])
    func states(state: WorkspaceState, refusal: String) async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let snapshotID = try await api.makeSnapshot()
            try await api.setState(state)
            #expect(try await api.post(Self.path, nil, key: "k").refusal == refusal)
            #expect(try await api.delete("\(Self.path)/\(snapshotID)", key: "k").refusal == refusal)
            let set = try await api.post(
                "/v1/workspaces/ws-1/current:set", ["snapshot_id": .string(snapshotID)], key: "k")
            #expect(set.refusal == refusal)
            // Reading goes on.
            #expect(try await api.get("/v1/workspaces/ws-1").status == 200)
            #expect(try await api.get("/v1/workspaces/ws-1/current").status == 200)
            #expect(try await api.get("\(Self.path)/\(snapshotID)").status == 200)
        }
    }

    @Test("a snapshot that was dropped, or is another workspace's, is 404 everywhere")
    func absent() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            try await api.makeActiveWorkspace("ws-2")
            let dropped = try await api.makeSnapshot()
            try await api.pool.execute("UPDATE wvs.snapshots SET deleted_at = now() WHERE snapshot_id = \(dropped)")
            let foreign = try await api.makeSnapshot(of: "ws-2")
            for id in [dropped, foreign, UUIDv7.make()] {
                #expect(try await api.get("\(Self.path)/\(id)").refusal == "404 WVS_NOT_FOUND")
                #expect(try await api.delete("\(Self.path)/\(id)", key: "k").refusal == "404 WVS_NOT_FOUND")
                let set = try await api.post(
                    "/v1/workspaces/ws-1/current:set", ["snapshot_id": .string(id)], key: "k")
                #expect(set.refusal == "404 WVS_NOT_FOUND")
            }
            #expect(try await api.get(Self.path).json["items"] == [])
            #expect(try await api.get("\(Self.path)/nonsense").refusal == "400 WVS_BAD_REQUEST")
            #expect(try await api.get("/v1/workspaces/nobody/snapshots").refusal == "404 WVS_NOT_FOUND")
        }
    }

    @Test("a snapshot in use can not be dropped")
    func inUse() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let snapshotID = try await api.makeSnapshot()
            let set = try await api.post(
                "/v1/workspaces/ws-1/current:set", ["snapshot_id": .string(snapshotID), "discard": true], key: "k")
            #expect(set.status == 202)
            for status in [TaskStatus.pending, .running, .failed] {
                try await api.pool.execute("UPDATE wvs.tasks SET status = \(status) WHERE op = 'set_current'")
                let drop = try await api.delete("\(Self.path)/\(snapshotID)", key: "d")
                #expect(drop.refusal == "409 WVS_CONFLICT_SNAPSHOT_IN_USE")
                #expect(try drop.json["task_id"] == set.json["task_id"])
            }
            try await api.pool.execute("UPDATE wvs.tasks SET status = 'SUCCEEDED' WHERE op = 'set_current'")
            try await api.pool.execute("UPDATE wvs.workspaces SET current_snapshot_id = \(snapshotID)")
            let drop = try await api.delete("\(Self.path)/\(snapshotID)", key: "d")
            #expect(drop.refusal == "409 WVS_CONFLICT_SNAPSHOT_IN_USE")
            try await api.pool.execute("UPDATE wvs.workspaces SET current_snapshot_id = NULL")
            #expect(try await api.delete("\(Self.path)/\(snapshotID)", key: "d").status == 202)
        }
    }

    @Test("of a drop and a set_current at once one is accepted, and the other refused because of it")
    func dropAgainstSet() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            for round in 0..<30 {
                let snapshotID = try await api.makeSnapshot()
                async let setting = api.post(
                    "/v1/workspaces/ws-1/current:set", ["snapshot_id": .string(snapshotID)], key: "s\(round)")
                async let dropping = api.delete("\(Self.path)/\(snapshotID)", key: "d\(round)")
                let (set, drop) = try await (setting, dropping)
                let (accepted, refused) = set.status == 202 ? (set, drop) : (drop, set)
                #expect(accepted.status == 202, "\(accepted.body)")
                #expect(refused.refusal == "409 WVS_CONFLICT_SNAPSHOT_IN_USE")
                #expect(try refused.json["task_id"] == accepted.json["task_id"])
            }
        }
    }

    @Test("current shows what a rollback has set")
    func current() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let before = try await api.get("/v1/workspaces/ws-1/current").json
            #expect(before.object?.names == ["data"])
            #expect(
                before["data"]?.object?.names == ["wsid", "current_path", "current_snapshot_id", "updated_at"])
            #expect(before["data"]?["current_snapshot_id"] == .null)

            let snapshotID = try await api.makeSnapshot()
            let set = try await api.post(
                "/v1/workspaces/ws-1/current:set", ["snapshot_id": .string(snapshotID)], key: "k")
            let task = try await api.get(try #require(set.headers["location"])).json
            #expect(task["op"] == "set_current")
            #expect(task["params"]?["snapshot_id"] == .string(snapshotID))
            #expect(task["params"]?["discard"] == false)
            try await api.pool.execute("UPDATE wvs.workspaces SET current_snapshot_id = \(snapshotID)")
            let after = try await api.get("/v1/workspaces/ws-1/current").json
            #expect(after["data"]?["current_snapshot_id"] == .string(snapshotID))
            #expect(try await api.get("/v1/workspaces/nobody/current").refusal == "404 WVS_NOT_FOUND")
        }
    }

    @Test("snapshots are listed newest first, also where many are of one instant")
    func list() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            var ids: [String] = []
            for number in 0..<25 { ids.append(try await api.makeSnapshot(message: "m\(number)")) }
            try await api.pool.execute("UPDATE wvs.snapshots SET created_at = '2026-01-01'")
            let page = try await api.get(Self.path).json
            #expect(page["items"]?.array?.count == 20)
            #expect(
                page["items"]?.array?.first?.object?.names == ["snapshot_id", "message", "fs_path", "created_at"])
            let cursor = try #require(page["next_cursor"]?.string)
            // What arrives meanwhile is newer and does not disturb.
            try await api.makeSnapshot()
            let rest = try await api.get("\(Self.path)?cursor=\(cursor)").json
            #expect(rest["next_cursor"] == .null)
            let seen = [page, rest].flatMap { $0["items"]?.array ?? [] }.compactMap { $0["snapshot_id"]?.string }
            #expect(seen == ids.sorted(by: >))
        }
    }

    @Test(
        "a limit or cursor that is none of ours is refused",
        arguments: [
            "limit=0", "limit=101", "limit=x", "limit=", "cursor=zz", "cursor=31", "cursor=312e",
            "cursor=2d312e61",
            "cursor=3939393939393939393939393939393939392e61",
        ])
    func badPage(query: String) async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            #expect(try await api.get("\(Self.path)?\(query)").refusal == "400 WVS_BAD_REQUEST")
        }
    }
}
