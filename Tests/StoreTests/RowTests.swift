import JSON
import Model
import Postgres
import Runtime
import RuntimeCore
import Store
import TestSupport
import Testing

@Suite struct RowTests {
    @Test func `a workspace reads back as it was added, and a second one of its name is refused`() async throws {
        try await Fixture.with { fixture in
            let added = try #require(try await fixture.addWorkspace())
            #expect(added.state == .provisioning)
            #expect(added.uid == 1000)
            #expect(added.gid == nil)
            #expect(added.fence == 0)
            #expect(try await fixture.on { try Workspaces.get("ws-1", on: $0) } == added)
            #expect(try await fixture.addWorkspace() == nil)
            #expect(try await fixture.on { try Workspaces.get("ws-2", on: $0) } == nil)
        }
    }

    @Test func `a workspace moves on only from the state that was expected`() async throws {
        try await Fixture.with { fixture in
            try await fixture.addWorkspace()
            #expect(try await fixture.on { try Workspaces.setState("ws-1", from: .provisioning, to: .active, on: $0) })
            #expect(
                try await fixture.on { try Workspaces.setState("ws-1", from: .provisioning, to: .initFailed, on: $0) }
                    == false)
            #expect(try await fixture.on { try Workspaces.get("ws-1", on: $0) }?.state == .active)
        }
    }

    @Test func `updated_at moves with current, not with a fence and not where nothing changes`() async throws {
        try await Fixture.with { fixture in
            let added = try #require(try await fixture.addWorkspace())
            try await fixture.addTask()
            _ = try await fixture.claim()
            try await fixture.on {
                try Workspaces.setCurrent("ws-1", path: added.currentPath, snapshotID: nil, on: $0)
            }
            let fenced = try await fixture.on { try Workspaces.get("ws-1", on: $0) }
            #expect(fenced?.fence == 1)
            #expect(fenced?.updatedAt == added.updatedAt)
            try await fixture.on { try Workspaces.setCurrent("ws-1", path: "/ws/ws-1/live/y", snapshotID: nil, on: $0) }
            let moved = try #require(try await fixture.on { try Workspaces.get("ws-1", on: $0) })
            #expect(moved.updatedAt > added.updatedAt)
        }
    }

    @Test func `a dropped snapshot and one of another workspace do not exist for clients`() async throws {
        try await Fixture.with { fixture in
            for wsid in ["ws-1", "ws-2"] { try await fixture.addWorkspace(wsid) }
            for id in ["a", "b"] { try await fixture.addSnapshot(id) }
            #expect(try await Snapshots.get("a", of: "ws-1", on: fixture.pool) != nil)
            #expect(try await Snapshots.get("a", of: "ws-2", on: fixture.pool) == nil)
            try await fixture.on { try Snapshots.markDeleted("a", on: $0) }
            #expect(try await Snapshots.get("a", of: "ws-1", on: fixture.pool) == nil)
            let rest = try await fixture.on { try Snapshots.list(of: "ws-1", after: nil, limit: 10, on: $0) }
            #expect(rest.map(\.snapshotID) == ["b"])
            #expect(try await fixture.on { try Snapshots.lock("a", of: "ws-1", .update, on: $0) }?.deletedAt != nil)
        }
    }

    @Test func `a snapshot is in use while it is current or an unfinished set_current names it`() async throws {
        try await Fixture.with { fixture in
            try await fixture.addWorkspace()
            try await fixture.addSnapshot("a")
            func use() async throws -> SnapshotUse? {
                try await fixture.on { try Snapshots.use(of: "a", in: "ws-1", on: $0) }
            }
            #expect(try await use() == nil)
            let task = try #require(
                try await fixture.addTask(.setCurrent(snapshotID: "a", liveID: "l", discard: false)))
            for status in [TaskStatus.pending, .running, .failed] {
                try await fixture.pool.execute("UPDATE wvs.tasks SET status = \(status)")
                #expect(try await use() == .task(task.taskID))
            }
            for status in [TaskStatus.succeeded, .dead, .canceled] {
                try await fixture.pool.execute("UPDATE wvs.tasks SET status = \(status)")
                #expect(try await use() == nil)
            }
            try await fixture.on { try Workspaces.setCurrent("ws-1", path: "/p", snapshotID: "a", on: $0) }
            #expect(try await use() == .current)
        }
    }

    @Test func `one idempotency key makes one task for a workspace and operation`() async throws {
        try await Fixture.with { fixture in
            try await fixture.addWorkspace()
            let parameters = TaskParameters.snapshotCreate(snapshotID: "s", message: "with \"quotes\" and é")
            let first = try #require(try await fixture.addTask(parameters, key: "k"))
            #expect(try await fixture.addTask(parameters, key: "k") == nil)
            #expect(try await fixture.addTask(.snapshotDrop(snapshotID: "s"), key: "k") != nil)
            let found = try await fixture.on {
                try Tasks.find(wsid: "ws-1", operation: .snapshotCreate, idempotencyKey: "k", on: $0)
            }
            #expect(found == first)
            #expect(TaskParameters(first.operation, first.params) == parameters)
            #expect(first.requestID == "request")
        }
    }

    @Test func `a task is added at once where its workspace is in the state that it needs, and its key is new`()
        async throws
    {
        try await Fixture.with { fixture in
            try await fixture.addWorkspace()
            let events: Query = "SELECT task_id FROM wvs.audit"
            #expect(try await RowTests.addAtOnce("k", fixture) == nil)
            #expect(try await fixture.pool.query(events).isEmpty)
            try await fixture.on { _ = try Workspaces.setState("ws-1", from: .provisioning, to: .active, on: $0) }
            let added = try #require(try await RowTests.addAtOnce("k", fixture))
            #expect(added.status == .pending)
            #expect(try await Tasks.get(added.taskID, on: fixture.pool) == added)
            #expect(try await RowTests.addAtOnce("k", fixture) == nil)
            #expect(try await fixture.pool.query(events).map { try $0.first(as: String.self) } == [added.taskID])
        }
    }

    @Test func `a task is not added at once while its workspace is being changed, and nobody waits for that`()
        async throws
    {
        try await Fixture.with { fixture in
            for wsid in ["ws-1", "ws-2"] {
                try await fixture.addWorkspace(wsid)
                try await fixture.on { _ = try Workspaces.setState(wsid, from: .provisioning, to: .active, on: $0) }
            }
            let (locked, signal) = AsyncStream.makeStream(of: Void.self)
            let isOver = Mutex(false)
            let disabling = Task {
                try await fixture.pool.transaction { connection in
                    try Workspaces.setState("ws-1", from: .active, to: .disabled, on: connection)
                    signal.finish()
                    while !isOver.withLock({ $0 }) { try connection.query("SELECT pg_sleep(0.001)") }
                }
            }
            for await _ in locked {}
            #expect(try await RowTests.addAtOnce("k", fixture) == nil)
            #expect(try await RowTests.addAtOnce("k", in: "ws-2", fixture) != nil)
            isOver.withLock { $0 = true }
            try await disabling.value
            #expect(try await fixture.pool.query("SELECT FROM wvs.tasks").count == 1)
            #expect(try await fixture.pool.query("SELECT FROM wvs.audit").count == 1)
        }
    }

    @Test func `of many equal tasks that are added at once there is one, whichever transactions they share`()
        async throws
    {
        try await Fixture.with { fixture in
            try await fixture.addWorkspace()
            try await fixture.on { _ = try Workspaces.setState("ws-1", from: .provisioning, to: .active, on: $0) }
            let added = try await withThrowingTaskGroup(of: TaskRecord?.self) { group in
                for number in 0..<400 {
                    group.addTask { try await RowTests.addAtOnce("key-\(number * 7 % 20)", fixture) }
                }
                return try await group.reduce(into: [TaskRecord]()) { added, task in
                    if let task { added.append(task) }
                }
            }
            #expect(Set(added.map(\.idempotencyKey)).count == 20 && added.count == 20)
            #expect(try await fixture.pool.query("SELECT FROM wvs.tasks").count == 20)
            #expect(try await fixture.pool.query("SELECT FROM wvs.audit").count == 20)
        }
    }

    private static func addAtOnce(
        _ key: String, in wsid: String = "ws-1", _ fixture: Fixture
    ) async throws -> TaskRecord? {
        let new = NewTask(
            taskID: UUIDv7.make(), wsid: wsid, parameters: .snapshotCreate(snapshotID: "s", message: nil),
            idempotencyKey: key, requestHash: "hash", requestID: "request")
        let event = AuditEvent(
            .snapshotCreate, by: .anonymous(address: "192.0.2.1"), wsid: wsid, requestID: "request", taskID: new.taskID)
        return try await Tasks.insert(new, event: event, whereWorkspaceIs: .active, on: fixture.pool)
    }

    @Test func `an audit row holds what the seeds ask for`() async throws {
        try await Fixture.with { fixture in
            let event = AuditEvent(
                .taskCancel, by: .anonymous(address: "192.0.2.1"), wsid: "ws-1", requestID: "r", taskID: "t",
                before: ["status": "RUNNING"], after: ["status": "CANCELED"])
            try await fixture.on { try Audit.insert([event, event], on: $0) }
            let rows = try await fixture.pool.query("SELECT * FROM wvs.audit")
            #expect(rows.count == 2)
            let payload = try rows[0].value("payload", as: JSONValue.self)
            let members = ["action", "wsid", "request_id", "task_id", "before", "after", "error"]
            #expect(members.allSatisfy { payload[$0] != nil })
            #expect(payload["after"]?["status"]?.string == "CANCELED")
            #expect(try rows[0].value("actor", as: JSONValue.self) == ["type": "anonymous", "addr": "192.0.2.1"])
        }
    }

    @Test func `a task is canceled by whoever holds it: nobody, or the worker that is asked to`() async throws {
        try await Fixture.with { fixture in
            try await fixture.addWorkspace()
            let task = try #require(try await fixture.addTask())
            #expect(try await fixture.on { try Tasks.requestCancel(task.taskID, on: $0) } == nil)
            #expect(try await fixture.on { try Tasks.firstUnfinished(in: "ws-1", on: $0) } == task.taskID)
            _ = try await fixture.claim()
            #expect(try await fixture.on { try Tasks.cancelWaiting(task.taskID, on: $0) } == nil)
            let asked = try await fixture.on { try Tasks.requestCancel(task.taskID, on: $0) }
            #expect(asked?.status == .running && asked?.cancelRequested == true)
            try await fixture.pool.execute("UPDATE wvs.tasks SET status = 'FAILED'")
            let ended = try await fixture.on { try Tasks.cancelWaiting(task.taskID, on: $0) }
            #expect(ended?.status == .canceled && ended?.endedAt != nil)
            #expect(try await fixture.on { try Tasks.firstUnfinished(in: "ws-1", on: $0) } == nil)
            #expect(try await fixture.on { try Tasks.lock(task.taskID, .update, on: $0) } == ended)
            #expect(try await fixture.on { try Tasks.lock("t", .update, on: $0) } == nil)
        }
    }

    @Test func `the trace of the request goes into the parameters of its task`() async throws {
        try await Fixture.with { fixture in
            try await fixture.addWorkspace()
            let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
            let task = try await fixture.on { connection in
                try Tasks.insert(
                    NewTask(
                        taskID: "t", wsid: "ws-1", parameters: .snapshotDrop(snapshotID: "s"), idempotencyKey: "k",
                        requestHash: "h", requestID: "r", trace: TraceParent(text)), on: connection)
            }
            #expect(task?.traceparent == text)
            #expect(task.flatMap { TaskParameters($0.operation, $0.params) } == .snapshotDrop(snapshotID: "s"))
        }
    }
}
