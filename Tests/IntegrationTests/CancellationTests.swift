import FakeAgent
import Foundation
import JSON
import Postgres
import RuntimeCore
import TestSupport
import Testing

extension Integration {
    /// A client takes back what it asked for, while it is being done.
    @Suite struct CancellationTests {
        @Test func `a cancel before publication stops the clone, thaws the agent, leaves nothing and ends it once`()
            async throws
        {
            var options = TestStack.Options()
            // Slow, so that there is something to stop.
            options.engine = "copy"
            try await withStack(options) { stack, database in
                try await stack.createWorkspace("cancel", uid: 1000)
                let tree = WorkspaceTree(stack, "cancel")
                let ticker = try stack.tickerFile()
                try stack.startAgent("cancel", sidecarOptions: ["--user", "1000:1000"], ticker: ticker)
                try await tree.awaitProgress()
                try await fill(tree)
                let began = Timestamp.now
                let id = try await stack.accept("POST", "/v1/workspaces/cancel/snapshots", body: [:])
                try await eventually("it is being cloned", within: .seconds(30)) {
                    try tree.leftovers.contains { $0.hasPrefix("/snapshots/.staging-") }
                }
                let (start, asked) = (MonotonicTime.now, Timestamp.now)
                #expect(try await stack.send("POST", "/v1/tasks/\(id):cancel").status == 200)
                let growing = Task { try await lastGrowth(of: tree) }
                let task = try await stack.ended(id)
                #expect(task["status"] == "CANCELED", "\(task.text)\n\(stack.logs)")
                let stopped = try await growing.value - start
                print("the clone stopped \(stopped) after the request")
                #expect(stopped < Self.limit)
                try await tree.awaitProgress("the agent works on")
                let pause = try Ticker.longestGap(path: ticker, from: asked, to: .now) ?? .zero
                #expect(pause < Self.limit, "the agent stood still for \(pause)")

                try await eventually("nothing is left over") { try tree.leftovers.isEmpty }
                #expect(try tree.snapshots.isEmpty)
                let longest = try Ticker.longestGap(path: ticker, from: began, to: .now) ?? .zero
                #expect(longest < .seconds(10), "the agent stood still for \(longest)")
                #expect(try await ends(of: id, in: database) == ["CANCELED"])
                // The workspace is as usable as before.
                _ = try await stack.snapshot("cancel")
            }
        }

        /// A second, and what a busy machine may add.
        private static let limit = Duration.seconds(5)

        /// When the staging tree was last seen to have more entries than before; returns once it is gone.
        private func lastGrowth(of tree: WorkspaceTree) async throws -> MonotonicTime {
            var last = (count: 0, at: MonotonicTime.now)
            try await eventually("the staging is gone", within: .seconds(60)) {
                let stagings = try tree.leftovers.filter { $0.hasPrefix("/snapshots/.staging-") }
                let count = stagings.reduce(0) { count, staging in
                    count
                        + (FileManager.default.enumerator(atPath: tree.path + staging)?.reduce(0) { sum, _ in sum + 1 }
                            ?? 0)
                }
                if count > last.count { last = (count, .now) }
                return stagings.isEmpty
            }
            return last.at
        }

        private func fill(_ tree: WorkspaceTree) async throws {
            let script = """
                cd '\(tree.path)/\(try tree.current)' && mkdir -p many/0 && head -c 512000 /dev/zero | split -b 1024 -a 4 - many/0/f
                for number in $(seq 80); do cp -r many/0 many/$number; done; sync -f .
                """
            try await Command.run(["sh", "-c", script])
        }

        private func ends(of task: String, in database: TestDatabase) async throws -> [String] {
            let pool = PostgresPool(dsn: database.dsn, size: 1, logger: Logger(level: .error))
            let rows = try await pool.query(
                """
                SELECT payload->'after'->>'status' AS status FROM wvs.audit
                WHERE task_id = \(task) AND payload->'after'->>'status' IN ('SUCCEEDED', 'CANCELED', 'DEAD')
                """)
            await pool.close()
            return try rows.map { try $0.value("status") }
        }
    }
}
