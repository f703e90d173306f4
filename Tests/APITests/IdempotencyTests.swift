import JSON
import Model
import Runtime
import RuntimeCore
import TestSupport
import Testing

@Suite struct IdempotencyTests {
    private static let body: JSONValue = ["wsid": "ws-1", "owner": "alice"]

    @Test("equal requests at the same instant make one task, and all hear of the same one")
    func race() async throws {
        try await TestAPI.with { api in
            for round in 0..<40 {
                let answers = try await withThrowingTaskGroup(of: HTTPExchange.self) { group in
                    for _ in 0..<4 {
                        group.addTask {
                            try await api.post(
                                "/v1/workspaces", ["wsid": .string("ws-\(round)"), "owner": "alice"], key: "create")
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(answers.allSatisfy { $0.status == 202 }, "\(answers.map(\.body))")
                #expect(Set(try answers.map { try $0.json["init_task_id"]?.string }).count == 1)
                #expect(answers.filter { $0.headers["idempotency-replayed"] == nil }.count == 1)
            }
            #expect(try await api.count("SELECT count(*) FROM wvs.tasks") == 40)
            #expect(try await api.count("SELECT count(*) FROM wvs.audit") == 40)

            try await api.setState(.active)
            for round in 0..<40 {
                let answers = try await withThrowingTaskGroup(of: HTTPExchange.self) { group in
                    for _ in 0..<4 {
                        group.addTask {
                            try await api.post("/v1/workspaces/ws-1/snapshots", nil, key: "round-\(round)")
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(answers.allSatisfy { $0.status == 202 }, "\(answers.map(\.body))")
                #expect(Set(try answers.map { try $0.json["task_id"]?.string }).count == 1)
                #expect(answers.filter { $0.headers["idempotency-replayed"] == nil }.count == 1)
            }
            #expect(try await api.count("SELECT count(*) FROM wvs.tasks") == 80)
            #expect(try await api.count("SELECT count(*) FROM wvs.audit") == 80)
        }
    }

    @Test("of two workspaces of one name asked for with two keys at once, one is made")
    func raceForName() async throws {
        try await TestAPI.with { api in
            for round in 0..<20 {
                let answers = try await withThrowingTaskGroup(of: HTTPExchange.self) { group in
                    for client in 0..<2 {
                        group.addTask {
                            try await api.post(
                                "/v1/workspaces", ["wsid": .string("ws-\(round)"), "owner": "alice"], key: "k\(client)")
                        }
                    }
                    return try await group.reduce(into: []) { $0.append($1) }
                }
                #expect(answers.map(\.status).sorted() == [202, 409])
            }
        }
    }

    @Test("a replay answers the original ids and the present state, however the body is written")
    func replay() async throws {
        try await TestAPI.with { api in
            let first = try await api.post("/v1/workspaces", Self.body, key: "k1")
            try await api.setState(.initFailed)
            let text = #"{ "owner" : "\u0061lice", "wsid":"ws-1" }"#
            let connection = try RawConnection(to: api.address)
            try await connection.send(
                "POST /v1/work%73paces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json; charset=utf-8\r\n"
                    + "Idempotency-Key: \"k1\"\r\nContent-Length: \(text.utf8.count)\r\n\r\n\(text)")
            let second = try await connection.response()
            #expect(second.status == 202)
            #expect(second["Idempotency-Replayed"] == "true")
            #expect(second["Location"] == first.headers["location"])
            let taskID = try first.json["init_task_id"] ?? .null
            #expect(
                try JSONValue(parsing: second.body) == [
                    "wsid": "ws-1", "state": "INIT_FAILED", "init_task_id": taskID,
                ])
            #expect(try await api.count("SELECT count(*) FROM wvs.audit") == 1)
        }
    }

    @Test("a replay goes before the workspace's state and tells the task's present status")
    func replayAfterDisable() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let snapshotID = try await api.makeSnapshot()
            let paths: [(JSONValue?, String)] = [
                (["message": "m"], "/v1/workspaces/ws-1/snapshots"),
                (["snapshot_id": .string(snapshotID)], "/v1/workspaces/ws-1/current:set"),
            ]
            var originals: [HTTPExchange] = []
            for (body, path) in paths { originals.append(try await api.post(path, body, key: "k")) }
            try await api.endTasks(of: "ws-1", as: .succeeded)
            let drop = try await api.delete("/v1/workspaces/ws-1/snapshots/\(snapshotID)", key: "k")
            #expect(drop.status == 202)
            try await api.endTasks(of: "ws-1", as: .canceled)
            // The snapshot is gone and the workspace closed: what was accepted stays accepted.
            try await api.pool.execute("UPDATE wvs.snapshots SET deleted_at = now()")
            try await api.setState(.disabled)
            for ((body, path), original) in zip(paths, originals) {
                let again = try await api.post(path, body, key: "k")
                #expect(again.status == 202)
                #expect(again.headers["idempotency-replayed"] == "true")
                #expect(try again.json == ["task_id": try original.json["task_id"] ?? .null, "status": "SUCCEEDED"])
                #expect(try await api.post(path, body, key: "other").refusal == "410 WVS_GONE")
            }
            let again = try await api.delete("/v1/workspaces/ws-1/snapshots/\(snapshotID)", key: "k")
            #expect(try again.json == ["task_id": try drop.json["task_id"] ?? .null, "status": "CANCELED"])
        }
    }

    @Test("one key for two different requests is a mismatch that names the first task")
    func mismatch() async throws {
        try await TestAPI.with { api in
            try await api.makeActiveWorkspace()
            let path = "/v1/workspaces/ws-1/snapshots"
            let first = try await api.post(path, nil, key: "k")
            // No body is not the same as an empty object.
            for body: JSONValue in [[:], ["message": "other"]] {
                let second = try await api.post(path, body, key: "k")
                #expect(second.refusal == "409 WVS_CONFLICT_IDEMPOTENT_MISMATCH")
                #expect(try second.json["task_id"] == first.json["task_id"])
            }
            let create = try await api.post("/v1/workspaces", ["wsid": "ws-1", "owner": "bob"], key: "make-ws-1")
            #expect(create.refusal == "409 WVS_CONFLICT_IDEMPOTENT_MISMATCH")
        }
    }

    @Test(
        "a key that is missing or malformed is refused",
        arguments: [
            [], [""], ["a b"], ["\"abc"], ["\"a\"b\""], ["\"\""], ["k", "k"], ["schlüssel"],
            [String(repeating: "k", count: 256)],
        ])
    func malformedKey(fields: [String]) async throws {
        try await TestAPI.with { api in
            let headers = [("Content-Type", "application/json")] + fields.map { ("Idempotency-Key", $0) }
            let answer = try await RawConnection.request(
                "POST", "/v1/workspaces", at: api.address, headers: headers, body: Self.body.text)
            #expect(answer.status == 400)
            #expect(answer.text.contains("Idempotency-Key"))
        }
    }

    @Test("quoted and bare, escaped and plain are one key")
    func quotedKey() async throws {
        try await TestAPI.with { api in
            let long = String(repeating: "k", count: 255)
            for (index, (bare, quoted)) in [("abc", #""abc""#), (#"a"b\c"#, #""a\"b\\c""#), (long, "\"\(long)\"")]
                .enumerated()
            {
                let body: JSONValue = ["wsid": .string("ws-\(index)"), "owner": "alice"]
                #expect(try await api.post("/v1/workspaces", body, key: bare).headers["idempotency-replayed"] == nil)
                let again = try await api.post("/v1/workspaces", body, key: quoted)
                #expect(again.headers["idempotency-replayed"] == "true", "\(again.body)")
            }
        }
    }

    @Test("syntax is told before a missing key, the key before the workspace")
    func order() async throws {
        try await TestAPI.with { api in
            let bad = try await api.post("/v1/workspaces/ws-1/snapshots", ["colour": "red"], key: nil)
            #expect(bad.body.contains("colour"))
            let noKey = try await api.post("/v1/workspaces/ws-1/snapshots", nil, key: nil)
            #expect(noKey.refusal == "400 WVS_BAD_REQUEST")
            #expect(noKey.body.contains("Idempotency-Key"))
            #expect(try await api.post("/v1/workspaces/ws-1/snapshots", nil, key: "k").refusal == "404 WVS_NOT_FOUND")
        }
    }
}
