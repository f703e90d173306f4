import ExecutorRPC
private import Glibc
import JSON
import Model
import Runtime
import RuntimeCore
import TestSupport
import Testing

@testable import API
@testable import Worker

@Suite struct OpenAPITests {
    /// …/Tests/APITests/OpenAPITests.swift
    private static let root = "/" + #filePath.split(separator: "/").dropLast(3).joined(separator: "/")

    /// What `Tests/Peers/openapi_check.py` finds.
    private func differences(_ routes: [(String, String)], _ exchanges: [JSONValue]) async throws -> String {
        var template = Array("/tmp/wvs-openapi-XXXXXX".utf8CString)
        let file = FileDescriptor(owning: try systemCall("mkstemp") { mkstemp(&template) })
        let path = String(decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
        defer { unlink(path) }
        let seen: JSONValue = [
            "routes": .array(routes.map { [.string($0.0), .string($0.1)] }), "exchanges": .array(exchanges),
        ]
        let text = Array(seen.text.utf8)
        #expect(try systemCall("write") { write(file.raw, text, text.count) } == text.count)
        return try await Command.run([
            "python3", "-W", "ignore", "\(Self.root)/Tests/Peers/openapi_check.py", "\(Self.root)/docs/openapi.yaml",
            path,
        ])
    }

    @Test("routes and document agree in both directions, and every answer is as its schema says")
    func contract() async throws {
        try await TestAPI.with { api in
            let recorder = Recorder(api)
            try await Self.walk(recorder)
            #expect(try await differences(api.routes, recorder.exchanges) == "")
        }
    }

    @Test("a route that is not documented, and an answer of another shape, are found")
    func canFail() async throws {
        let exchange: JSONValue = [
            "method": "GET", "pattern": "/v1/workspaces/{wsid}", "status": 200,
            "headers": ["content-type": "application/json"], "body": "{\"wsid\":\"A\"}",
        ]
        let found = try await differences([("GET", "/v2")], [exchange])
        for part in [
            "served, not documented: ('GET', '/v2')", "documented, not served: ('POST', '/v1/workspaces')",
            "'owner' is a required property", "no X-Request-Id", "does not match",
            "never seen: ('GET', '/v1/audit') 200",
        ] { #expect(found.contains(part), "\(found)") }
    }

    @Test("the document that is served is the one in docs")
    func served() async throws {
        try await TestAPI.with { api in
            let served = try await api.get("/openapi.yaml")
            #expect(served.headers["content-type"] == "application/yaml")
            #expect(served.body == (try await Command.run(["cat", "\(Self.root)/docs/openapi.yaml"])))
        }
    }

    /// Every operation, and every refusal that it documents but 503 and 500.
    private static func walk(_ recorder: Recorder) async throws {
        let api = recorder.api
        let workspaces = "/v1/workspaces"
        let body: JSONValue = ["wsid": "ws-1", "owner": "alice", "uid": 7]
        let created = try await recorder.send("POST", workspaces, body: body, key: "k", ["traceparent": traceparent])
        _ = try await recorder.send("POST", workspaces, body: body, key: "k")
        _ = try await recorder.send("POST", workspaces, body: body, key: "other")
        _ = try await recorder.send("POST", workspaces, body: ["wsid": "ws-1", "owner": "bob"], key: "k")
        _ = try await recorder.send("POST", workspaces, body: [:], key: "k")
        _ = try await recorder.send("POST", workspaces, body: .string(String(repeating: "a", count: 2 << 20)), key: "k")
        _ = try await recorder.send("PUT", workspaces, as: "POST")
        let initTask = try created.json["init_task_id"]?.string ?? ""
        let tasks = ["task_id": initTask]
        _ = try await recorder.send("GET", "/v1/tasks/{task_id}", tasks)
        _ = try await recorder.send("POST", "/v1/tasks/{task_id}:cancel", tasks)
        _ = try await recorder.send("POST", "/v1/tasks/{task_id}:cancel", tasks)
        _ = try await recorder.send("POST", "/v1/workspaces/{wsid}/retry-init", key: "r")
        _ = try await recorder.send("POST", "/v1/workspaces/{wsid}/retry-init", key: "r2")
        try await api.setState(.active)
        try await api.endTasks(of: "ws-1", as: .succeeded)

        _ = try await recorder.send(
            "POST", "/v1/workspaces/{wsid}/snapshots", body: ["message": "m"], key: "s", ["X-Request-Id": "req-1"])
        _ = try await recorder.send("DELETE", "/v1/workspaces/{wsid}")
        try await api.endTasks(of: "ws-1", as: .succeeded)
        let snapshotID = try await api.makeSnapshot(message: "m")
        try await showResults(recorder, snapshotID: snapshotID)
        let ids = ["snapshot_id": snapshotID]
        for path in ["", "/current", "/snapshots", "/snapshots/{snapshot_id}"] {
            _ = try await recorder.send("GET", "/v1/workspaces/{wsid}\(path)", ids)
            _ = try await recorder.send(
                "GET", "/v1/workspaces/{wsid}\(path)", ["wsid": "nobody", "snapshot_id": snapshotID])
            _ = try await recorder.send("GET", "/v1/workspaces/{wsid}\(path)", ["wsid": "A", "snapshot_id": "B"])
        }
        let set = "/v1/workspaces/{wsid}/current:set"
        _ = try await recorder.send("POST", set, body: ["snapshot_id": .string(snapshotID), "discard": true], key: "c")
        _ = try await recorder.send("POST", set, body: ["snapshot_id": .string(snapshotID)], key: "c")
        let drop = "/v1/workspaces/{wsid}/snapshots/{snapshot_id}"
        _ = try await recorder.send("DELETE", drop, ids, key: "d")
        try await api.endTasks(of: "ws-1", as: .dead)
        _ = try await recorder.send("DELETE", drop, ids, key: "d")
        for path in ["/v1/workspaces", "/v1/tasks", "/v1/audit"] {
            _ = try await recorder.send("GET", path)
            _ = try await recorder.send("GET", path, query: "?limit=1")
            _ = try await recorder.send("GET", path, query: "?cursor=x")
        }
        try await refuse(recorder, snapshotID: snapshotID)
        try await api.endTasks(of: "ws-1", as: .succeeded)
        _ = try await recorder.send("DELETE", "/v1/workspaces/{wsid}")
        _ = try await recorder.send("POST", "/v1/workspaces/{wsid}/snapshots", key: "late")
        for path in ["/healthz", "/readyz", "/metrics", "/openapi.yaml"] { _ = try await recorder.send("GET", path) }
    }

    private static let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

    /// Task rows as the worker leaves them, one of each operation, with everything that may be in them.
    private static func showResults(_ recorder: Recorder, snapshotID: String) async throws {
        let liveID = UUIDv7.make()
        let acknowledgement = Acknowledgement(
            sidecarID: "s", nonce: "n", method: "cgroup2", consistency: "quiesced", processes: 2, threads: 3,
            flushedFiles: 4, freezeMilliseconds: 0.5, flushMilliseconds: 1.5, frozenAt: Timestamp.now.description,
            held: true, oldTree: [7])
        let receipt = Receipt(acknowledgements: [acknowledgement], consistency: "quiesced", windowMilliseconds: 1.5)
        let set = { (receipt: Receipt?) in
            Verdict.published(
                .setCurrent(
                    SetCurrentResult(
                        currentSnapshotID: snapshotID, currentPath: "live/\(liveID)", noop: receipt == nil,
                        receipt: receipt)))
        }
        let snapshot = SnapshotCreateResult(
            snapshotID: snapshotID, fsPath: "snapshots/\(snapshotID)", engine: "copy", entries: 3, receipt: receipt)
        let setting = TaskParameters.setCurrent(snapshotID: snapshotID, liveID: liveID, discard: false)
        let ended: [(TaskParameters, Verdict)] = [
            (.initWorkspace(liveID: liveID, uid: 1, gid: 2), .published(.initWorkspace(currentPath: "live/\(liveID)"))),
            (.snapshotCreate(snapshotID: snapshotID, message: "m"), .published(.snapshotCreate(snapshot))),
            (.snapshotDrop(snapshotID: snapshotID), .dropped(purged: true)), (setting, set(receipt)),
            (setting, set(nil)),
        ]
        for (parameters, verdict) in ended {
            let id = try await recorder.api.addTask(parameters)
            let task = try await recorder.api.task(id)
            let result = try #require(verdict.result(for: task, WorkspacePaths(root: "/mnt/ws")))
            let error = TaskError(code: "QUIESCE_BROKEN", message: "m", retryable: true, attempt: 1, details: ["a": 1])
            let progress = Progress(phase: .cloning, entries: 3, entriesTotal: 4, frozen: true).json
            try await recorder.api.pool.execute(
                """
                UPDATE wvs.tasks SET status = 'SUCCEEDED', result = \(result), error = \(error), progress = \(progress),
                    started_at = now(), ended_at = now()
                WHERE task_id = \(id)
                """)
            _ = try await recorder.send("GET", "/v1/tasks/{task_id}", ["task_id": id])
        }
    }

    /// Every refusal that a write documents, in workspaces that are not there, not ready, and closed.
    private static func refuse(_ recorder: Recorder, snapshotID: String) async throws {
        let api = recorder.api
        let path = "/v1/workspaces/{wsid}"
        let drop = "\(path)/snapshots/{snapshot_id}"
        let setting: JSONValue = ["snapshot_id": .string(snapshotID)]
        let writes: [(method: String, pattern: String, body: JSONValue?)] = [
            ("POST", "\(path)/retry-init", nil), ("POST", "\(path)/snapshots", [:]), ("DELETE", drop, nil),
            ("POST", "\(path)/current:set", setting),
        ]
        for (wsid, state) in [("closed", WorkspaceState.disabled), ("early", .provisioning), ("mended", .initFailed)] {
            try await api.makeActiveWorkspace(wsid)
            try await api.setState(state, of: wsid)
        }
        for write in writes {
            for wsid in ["nobody", "A", "closed", "early"] {
                _ = try await recorder.send(
                    write.method, write.pattern, ["wsid": wsid, "snapshot_id": snapshotID], body: write.body, key: "x")
            }
        }
        // One key, two requests.
        let mended = ["wsid": "mended"]
        _ = try await recorder.send("POST", "\(path)/retry-init", mended, key: "x")
        _ = try await recorder.send("POST", "\(path)/retry-init", mended, body: [:], key: "x")
        for message in ["a", "b"] {
            _ = try await recorder.send("POST", "\(path)/snapshots", body: ["message": .string(message)], key: "x")
        }
        let other = try await api.makeSnapshot()
        for id in [snapshotID, other] {
            _ = try await recorder.send("DELETE", drop, ["snapshot_id": id], key: "x")
            _ = try await recorder.send("POST", "\(path)/current:set", body: ["snapshot_id": .string(other)], key: id)
        }
        for pattern in ["", "\(path)/snapshots", "\(path)/current:set"] {
            let pattern = pattern.isEmpty ? "/v1/workspaces" : pattern
            let large = JSONValue.string(String(repeating: "a", count: 2 << 20))
            _ = try await recorder.send("POST", pattern, body: large, key: "x")
            _ = try await recorder.send("POST", pattern, body: "text", key: "x", ["Content-Type": "text/plain"])
        }
        for wsid in ["nobody", "A"] { _ = try await recorder.send("DELETE", path, ["wsid": wsid]) }
        for task in [UUIDv7.make(), "A"] {
            _ = try await recorder.send("GET", "/v1/tasks/{task_id}", ["task_id": task])
            _ = try await recorder.send("POST", "/v1/tasks/{task_id}:cancel", ["task_id": task])
        }
        _ = try await recorder.send("GET", "\(path)/snapshots", query: "?limit=0")
    }
}

/// Sends requests by the document's path patterns, and keeps what was answered.
private final class Recorder: Sendable {
    let api: TestAPI
    private let state = Mutex<[JSONValue]>([])

    init(_ api: TestAPI) { self.api = api }

    var exchanges: [JSONValue] { state.withLock { $0 } }

    func send(
        _ method: String, _ pattern: String, _ parameters: [String: String] = [:], query: String = "",
        body: JSONValue? = nil, key: String? = nil, _ headers: [String: String] = [:], as documented: String? = nil
    ) async throws -> HTTPExchange {
        var headers = headers
        headers["Idempotency-Key"] = key
        var path = pattern + query
        for (name, value) in parameters.merging(["wsid": "ws-1"], uniquingKeysWith: { given, _ in given }) {
            path = path.replacing("{\(name)}", with: value)
        }
        let exchange = try await HTTPExchange.send(method, path, to: api.address, headers: headers, body: body)
        var fields = JSONObject()
        for (name, value) in exchange.headers { fields[name] = .string(value) }
        let record: JSONValue = [
            "method": .string(documented ?? method), "pattern": .string(pattern),
            "status": .integer(Int64(exchange.status)), "headers": .object(fields), "body": .string(exchange.body),
        ]
        state.withLock { $0.append(record) }
        return exchange
    }
}
