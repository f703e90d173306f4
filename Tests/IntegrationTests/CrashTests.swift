import FakeAgent
import Glibc
import JSON
import Postgres
import RuntimeCore
import TestSupport
import Testing

/// One program killed at one named point of one operation.
struct Crash: CustomTestStringConvertible, Sendable {
    enum Operation: String { case snapshot, setCurrent = "set_current" }

    let program: String
    let operation: Operation
    let point: String
    /// Which passage of the point belongs to the operation: earlier ones belong to what prepared it.
    let passage: Int

    var testDescription: String { "\(program) \(operation.rawValue) \(point)" }

    static let all: [Crash] =
        [
            ("wvs-api", ["api.before_commit", "api.after_commit", "api.before_answer"]),
            (
                "wvs-worker",
                [
                    "worker.after_claim", "worker.before_execute", "worker.after_execute", "worker.before_finish",
                    "worker.after_finish",
                ]
            ),
        ].flatMap { program, points in
            // The workspace's creation passes first, then the snapshot, then the rollback.
            points.flatMap { point in
                [
                    Crash(program: program, operation: .snapshot, point: point, passage: 2),
                    Crash(program: program, operation: .setCurrent, point: point, passage: 3),
                ]
            }
        }
        + [
            "executor.snapshot.after_first_phase", "quiesce.request_written", "quiesce.frozen_seen",
            "executor.snapshot.after_quiesce", "executor.snapshot.after_clone", "quiesce.resume_written",
            "executor.snapshot.after_resume", "executor.snapshot.after_sync", "executor.snapshot.before_publish",
            "executor.snapshot.after_publish",
        ].map { Crash(program: "wvs-executor", operation: .snapshot, point: $0, passage: 1) }
        + [
            "executor.set.after_clone", "executor.set.after_publish", "executor.set.after_freeze",
            "executor.set.after_switch", "executor.set.after_resume",
        ].map { Crash(program: "wvs-executor", operation: .setCurrent, point: $0, passage: 1) }
        + ["quiesce.frozen_seen", "quiesce.resume_written"].map {
            Crash(program: "wvs-executor", operation: .setCurrent, point: $0, passage: 2)
        }
        + [
            "sidecar.request_seen", "sidecar.frozen", "sidecar.flushed", "sidecar.frozen_before_ack",
            "sidecar.ack_written",
            "sidecar.resume_seen", "sidecar.thawed", "sidecar.held_written",
        ].flatMap { point in
            [
                Crash(program: "wvs-sidecar", operation: .snapshot, point: point, passage: 1),
                Crash(program: "wvs-sidecar", operation: .setCurrent, point: point, passage: 2),
            ]
        }
}

extension Integration {
    /// kill -9 at every named point; then the program is started again, and everything must come right by itself.
    @Suite struct CrashTests {
        private static let lease = Duration.seconds(2)

        @Test(arguments: Crash.all)
        func everythingComesRightAfterAKill(_ crash: Crash) async throws {
            var options = TestStack.Options()
            options.failpoints[crash.program] = "\(crash.point):kill@\(crash.passage)"
            options.environment["wvs-executor"] = [
                "EXECUTOR_QUIESCE_TIMEOUT": "2s", "EXECUTOR_FREEZE_LEASE": Self.lease.text,
            ]
            options.environment["wvs-worker"] = ["WORKER_LEASE": "2s"]
            try await withStack(options) { stack, database in
                try await stack.createWorkspace("crash", uid: 1000)
                let tree = WorkspaceTree(stack, "crash")
                let ticker = try stack.tickerFile()
                let sidecar = try stack.startAgent("crash", sidecarOptions: ["--user", "1000:1000"], ticker: ticker)
                try await tree.awaitProgress()

                let first = crash.operation == .setCurrent ? try await stack.snapshot("crash").snapshotID : nil
                let (path, body): (String, JSONValue) =
                    if let first {
                        ("/v1/workspaces/crash/current:set", ["snapshot_id": .string(first)])
                    } else {
                        ("/v1/workspaces/crash/snapshots", [:])
                    }
                let began = Timestamp.now
                let victim = crash.program == "wvs-sidecar" ? sidecar : stack.program(crash.program)
                // The API may die before it answers; the client repeats with its key.
                var id = try? await stack.accept("POST", path, key: "the-key", body: body)
                _ = try await victim.line { $0 == "failpoint \(crash.point)" }
                if crash.program != "wvs-sidecar" {
                    #expect(try await victim.ended() == 128 + SIGKILL)
                    try await stack.start(crash.program)
                } else {
                    try await restartAgent(stack, tree, ticker: ticker)
                }
                if id == nil { id = try await stack.accept("POST", path, key: "the-key", body: body) }
                print("killed \(crash.testDescription)")

                let task = try await stack.ended(try #require(id))
                #expect(task["status"] == "SUCCEEDED", "\(task.text)\n\(stack.logs)")
                try await tree.awaitProgress("the agent works after \(crash.testDescription)")
                try await expectInvariants(tree, database, tasks: first == nil ? 2 : 3, current: first)
                // What the agent works in is whole, and the service goes on.
                let last = try await stack.snapshot("crash").snapshotID
                #expect(try tree.check(snapshot: last).problems.isEmpty)
                let longest = try Ticker.longestGap(path: ticker, from: began, to: .now) ?? .zero
                #expect(longest < Self.lease + .seconds(1), "the agent stood still for \(longest)")
            }
        }

        /// The agent outlives its sidecar; `run` starts another beside the new one, so the old one is ended first.
        private func restartAgent(_ stack: TestStack, _ tree: WorkspaceTree, ticker: String) async throws {
            try await tree.awaitProgress("the agent runs on without its sidecar")
            try await stack.endOrphans(of: tree.path)
            try stack.startAgent("crash", sidecarOptions: ["--user", "1000:1000"], ticker: ticker)
        }

        /// The invariants of the task engine, from outside: database and tree agree, each task ended once, nothing is left over.
        ///
        /// - Parameter current: the snapshot that was rolled back to.
        private func expectInvariants(
            _ tree: WorkspaceTree, _ database: TestDatabase, tasks: Int, current: String?
        ) async throws {
            let pool = PostgresPool(dsn: database.dsn, size: 1, logger: Logger(level: .error))
            let rows = try await pool.query(
                """
                SELECT (SELECT count(*) FROM wvs.tasks) AS tasks,
                       (SELECT count(*) FROM wvs.tasks WHERE status = 'SUCCEEDED') AS succeeded,
                       (SELECT count(*) FROM wvs.audit WHERE payload->'after'->>'status' = 'PENDING') AS acceptances,
                       (SELECT count(DISTINCT task_id) FROM wvs.audit WHERE payload->'after'->>'status' = 'RUNNING') AS starts,
                       (SELECT count(*) FROM wvs.audit WHERE payload->'after'->>'status' = 'SUCCEEDED') AS ends,
                       (SELECT current_path FROM wvs.workspaces) AS current_path,
                       (SELECT current_snapshot_id FROM wvs.workspaces) AS current_snapshot,
                       ARRAY(SELECT snapshot_id FROM wvs.snapshots WHERE deleted_at IS NULL) AS snapshots
                """)
            await pool.close()
            let row = try #require(rows.first)
            #expect(try row.value("tasks") as Int == tasks, "one key makes one task")
            #expect(try row.value("succeeded") as Int == tasks)
            #expect(try row.value("acceptances") as Int == tasks, "one record of acceptance for each task")
            #expect(try row.value("starts") as Int == tasks, "each task's start is recorded")
            #expect(try row.value("ends") as Int == tasks, "one end record for each task")
            #expect(try row.value("current_path") as String == "\(tree.path)/\(try tree.current)")
            #expect(try row.value("current_snapshot") as String? == current)
            // What the link points to came from there.
            #expect(try tree.record(of: tree.current)["snapshot_id"]?.string == current)
            #expect(Set(try row.value("snapshots") as [String]) == (try tree.snapshots))
            for snapshot in try tree.snapshots {
                #expect(try tree.check(snapshot: snapshot).problems.isEmpty)
                let manifest = try tree.record(of: "snapshots/\(snapshot)")
                #expect(manifest["snapshot_id"]?.string == snapshot && manifest["receipt"]?.isNull == false)
            }
            try await eventually("nothing is left over") { try tree.leftovers.isEmpty }
        }
    }
}
