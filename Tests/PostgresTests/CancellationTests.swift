import Postgres
import RuntimeCore
import TestSupport
import Testing

@Suite struct CancellationTests {
    @Test func cancelingTheTaskEndsTheStatementOnTheServer() async throws {
        let pool = try await makePool(size: 1)
        let watcher = try await makePoolBeside(pool)
        let pid = try await pool.withConnection { $0.processID }
        let task = Task { try await pool.query("SELECT pg_sleep(60)") }
        let sleeping: Query = "SELECT state = 'active' FROM pg_stat_activity WHERE pid = \(pid)"
        try await eventually("the statement runs") { try await watcher.scalar(sleeping) }
        let start = MonotonicTime.now
        task.cancel()
        let error = await postgresError { _ = try await task.value }
        #expect(error?.code == .canceled)
        #expect(MonotonicTime.now - start < .seconds(5))
        #expect(try await watcher.scalar(sleeping) == false)
        // The session is fit for the next.
        #expect(try await pool.withConnection { $0.processID } == pid)
    }

    @Test func aCanceledTransactionIsRolledBack() async throws {
        let pool = try await makePool(size: 1)
        try await pool.execute("CREATE TABLE t (id int)")
        let (started, signal) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            defer { signal.finish() }
            try await pool.transaction { connection in
                try connection.execute("INSERT INTO t VALUES (1)")
                signal.finish()
                _ = try connection.query("SELECT pg_sleep(60)")
            }
        }
        for await _ in started {}
        task.cancel()
        #expect(await postgresError { try await task.value }?.code == .canceled)
        #expect(try await pool.query("SELECT * FROM t").isEmpty)
    }

    @Test func aCanceledBorrowerNeverDisturbsTheNextOne() async throws {
        let pool = try await makePool(size: 1)
        for round in 0..<300 {
            let task = Task { try await pool.query("SELECT pg_sleep(0.0005)") }
            // Cancels before, while and after the statement runs.
            if round % 3 == 0 { await Task.yield() }
            if round % 3 == 1 { try await Task.sleep(for: .microseconds(round * 4)) }
            task.cancel()
            #expect(try await pool.scalar("SELECT \(round)::int", as: Int.self) == round)
            let error = await postgresError { _ = try await task.value }
            #expect(error == nil || error?.code == .canceled)
        }
    }

    @Test func aTaskCanceledBeforehandAsksTheServerNothing() async throws {
        let pool = try await makePool(size: 1)
        let ran = Mutex(false)
        let task = Task {
            while !Task.isCancelled { await Task.yield() }
            try await pool.withConnection { connection in
                try connection.query("SELECT 1")
                ran.withLock { $0 = true }
            }
        }
        task.cancel()
        #expect(await postgresError { try await task.value }?.code == .canceled)
        #expect(ran.withLock { $0 } == false)
    }

    @Test func aStatementTimeoutOfTheServerIsNoCancellation() async throws {
        let pool = try await makePool(size: 1)
        let error = await postgresError {
            try await pool.transaction { connection in
                try connection.script("SET LOCAL statement_timeout = '10ms'")
                _ = try connection.query("SELECT pg_sleep(60)")
            }
        }
        #expect(error?.code == .sqlState)
        #expect(error?.sqlState == "57014")
    }

    private func makePoolBeside(_ pool: PostgresPool) async throws -> PostgresPool {
        // pg_stat_activity shows all databases.
        try await makePool(size: 1)
    }
}
