import Postgres
import RuntimeCore
import TestSupport
import Testing

@Suite struct PoolTests {
    private static func makePool(_ change: (inout PostgresPool.Limits) -> Void) async throws -> PostgresPool {
        var limits = PostgresPool.Limits(size: 2)
        change(&limits)
        let settings = ConnectionSettings(dsn: try await TestDatabase.makeEmpty().dsn, applicationName: "pool-test")
        return PostgresPool(settings, limits, logger: quiet)
    }

    /// Holds a connection until told; returns once it does.
    private static func hold(_ pool: PostgresPool) async throws -> (
        release: @Sendable () -> Void, task: Task<Void, any Error>
    ) {
        let (held, signal) = AsyncStream.makeStream(of: Void.self)
        let cancellation = try Cancellation()
        let task = Task {
            defer { signal.finish() }
            try await pool.withConnection { connection in
                signal.finish()
                while !cancellation.isCancelled { try connection.query("SELECT pg_sleep(0.001)") }
            }
        }
        for await _ in held {}
        return ({ cancellation.cancel() }, task)
    }

    @Test func thereAreNeverMoreSessionsThanTheSize() async throws {
        let pool = try await PoolTests.makePool { $0.size = 3 }
        let seen = Mutex<(now: Int, most: Int, ids: Set<Int32>)>((0, 0, []))
        try await withThrowingTaskGroup { group in
            for _ in 0..<200 {
                group.addTask {
                    try await pool.withConnection { connection in
                        seen.withLock { seen in
                            seen.now += 1
                            seen.most = max(seen.most, seen.now)
                            seen.ids.insert(connection.processID)
                        }
                        try connection.query("SELECT pg_sleep(0.001)")
                        seen.withLock { $0.now -= 1 }
                    }
                }
            }
            try await group.waitForAll()
        }
        #expect(seen.withLock { $0.most } == 3)
        #expect(seen.withLock { $0.ids.count } == 3)
    }

    @Test func whoWaitsTooLongIsToldSo() async throws {
        let pool = try await PoolTests.makePool {
            $0.size = 1
            $0.wait = .seconds(2)
        }
        let held = try await PoolTests.hold(pool)
        let start = MonotonicTime.now
        #expect(await postgresError { try await pool.query("SELECT 1") }?.code == .poolExhausted)
        #expect(MonotonicTime.now - start >= .seconds(2))
        #expect(MonotonicTime.now - start < .seconds(10))
        held.release()
        try await held.task.value
        #expect(try await pool.scalar("SELECT 1", as: Int.self) == 1)
    }

    @Test func whoComesWhenTooManyWaitIsRefusedAtOnce() async throws {
        let pool = try await PoolTests.makePool {
            $0.size = 1
            $0.waiters = 1
            $0.wait = .seconds(30)
        }
        let held = try await PoolTests.hold(pool)
        // One of the two finds the only place to wait.
        let outcomes = await withTaskGroup { group in
            for _ in 0..<2 { group.addTask { await postgresError { try await pool.query("SELECT 1") } } }
            let first = await group.next() ?? nil
            held.release()
            return [first, await group.next() ?? nil]
        }
        #expect(outcomes.map { $0?.code } == [.poolExhausted, nil])
        try await held.task.value
    }

    @Test func waitingForAConnectionEndsWithTheTask() async throws {
        let pool = try await PoolTests.makePool {
            $0.size = 1
            $0.wait = .seconds(30)
        }
        let held = try await PoolTests.hold(pool)
        let task = Task { try await pool.query("SELECT 1") }
        task.cancel()
        #expect(await postgresError { _ = try await task.value }?.code == .canceled)
        held.release()
        try await held.task.value
        #expect(try await pool.scalar("SELECT 1", as: Int.self) == 1)
    }

    @Test func anIdleConnectionThatTheServerEndedIsReplacedUnnoticed() async throws {
        let pool = try await PoolTests.makePool { $0.size = 2 }
        let killer = try await PoolTests.makePool { $0.size = 1 }
        for _ in 0..<10 {
            let pid = try await pool.withConnection { $0.processID }
            try await killer.query("SELECT pg_terminate_backend(\(pid), 5000)")
            #expect(try await pool.withConnection { $0.processID } != pid)
        }
    }

    @Test func aSessionEndedUnderAStatementIsReportedAndReplaced() async throws {
        let pool = try await PoolTests.makePool { $0.size = 1 }
        let error = await postgresError {
            try await pool.query("SELECT pg_terminate_backend(pg_backend_pid()), pg_sleep(60)")
        }
        #expect(error?.sqlState == "57P01")
        #expect(error?.isUnavailable == true)
        #expect(try await pool.scalar("SELECT 1", as: Int.self) == 1)
    }

    @Test func everyNewConnectionIsPreparedByItsOwner() async throws {
        let database = try await TestDatabase.makeEmpty()
        let settings = ConnectionSettings(dsn: database.dsn, applicationName: "owner")
        let pool = PostgresPool(settings, PostgresPool.Limits(size: 1), logger: quiet) { connection in
            _ = try connection.query("SELECT pg_advisory_lock(42)")
        }
        let held: Query =
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 42 AND pid = pg_backend_pid()"
        #expect(try await pool.scalar(held, as: Int.self) == 1)
    }

    @Test func aClosedPoolRefusesAndLeavesNoSession() async throws {
        let pool = try await PoolTests.makePool { $0.size = 2 }
        let watcher = try await PoolTests.makePool { $0.size = 1 }
        let pid = try await pool.withConnection { $0.processID }
        let held = try await PoolTests.hold(pool)
        let closing = Task { await pool.close() }
        try await eventually("the pool is closed") {
            await postgresError { try await pool.query("SELECT 1") }?.code == .closed
        }
        held.release()
        try await held.task.value
        await closing.value
        try await eventually("the session is gone") {
            try await watcher.query("SELECT FROM pg_stat_activity WHERE pid = \(pid)").isEmpty
        }
    }

    @Test func runningItConnectsAheadAndShutdownEndsIt() async throws {
        let pool = try await PoolTests.makePool { $0.size = 2 }
        let watcher = try await PoolTests.makePool { $0.size = 1 }
        let sessions: Query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'ahead'"
        let settings = ConnectionSettings(dsn: try await TestDatabase.makeEmpty().dsn, applicationName: "ahead")
        let ahead = PostgresPool(settings, PostgresPool.Limits(size: 2), logger: quiet)
        let running = Task { try await ahead.run() }
        try await eventually("it has connected") { try await watcher.scalar(sessions) == 1 }
        ahead.shutdown()
        try await running.value
        try await eventually("it has let go") { try await watcher.scalar(sessions) == 0 }
        await pool.close()
    }
}
