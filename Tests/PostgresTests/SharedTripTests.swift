import Postgres
import RuntimeCore
import TestSupport
import Testing

@Suite struct SharedTripTests {
    /// Lets reads queue up behind the only connection of a pool, and then go.
    private static func queueUp<Answer: Sendable>(
        _ count: Int, on pool: PostgresPool, _ read: @escaping @Sendable (Int) async throws -> Answer
    ) async throws -> [Answer] {
        let waiting = Mutex(0)
        let (held, signal) = AsyncStream.makeStream(of: Void.self)
        let holder = Task {
            try await pool.withConnection { connection in
                signal.finish()
                while waiting.withLock({ $0 }) < count { try connection.query("SELECT pg_sleep(0.001)") }
                // From the count to the queue it is a few instructions.
                try connection.query("SELECT pg_sleep(0.1)")
            }
        }
        for await _ in held {}
        let answers = try await withThrowingTaskGroup(of: (Int, Answer).self) { group in
            for number in 0..<count {
                group.addTask {
                    waiting.withLock { $0 += 1 }
                    return (number, try await read(number))
                }
            }
            return try await group.reduce(into: [(Int, Answer)]()) { $0.append($1) }
        }
        try await holder.value
        return answers.sorted { $0.0 < $1.0 }.map(\.1)
    }

    @Test func `reads that wait share a round trip, and each gets its own answer`() async throws {
        let pool = try await makePool(size: 1)
        let answers = try await SharedTripTests.queueUp(40, on: pool) { number in
            let rows = try await pool.read("SELECT now()::text AS time, \(number)::int AS number")
            let row = try #require(rows.first)
            return (time: try row.value("time", as: String.self), number: try row.value("number", as: Int.self))
        }
        #expect(answers.map(\.number) == Array(0..<40))
        // The time of a transaction's begin. Two round trips, if all were there in time.
        let trips = Set(answers.map(\.time)).count
        #expect(trips >= 2 && trips <= 20)
    }

    @Test func `those who ask the same at the same time share one answer`() async throws {
        let pool = try await makePool(size: 1)
        let answers = try await SharedTripTests.queueUp(30, on: pool) { _ in
            try await pool.read("SELECT clock_timestamp()::text").first?.first(as: String.self)
        }
        #expect(Set(answers).count <= 15 && !answers.contains(nil))
    }

    @Test func `a read that is held up does not hold up the next ones`() async throws {
        let pool = try await makePool(size: 4)
        let watcher = try await makePool(size: 1)
        let sleeper = Task { try await pool.read("SELECT pg_sleep(60) /* held up */") }
        let sleeping: Query =
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%held up%' AND pid <> pg_backend_pid()"
        try await eventually("the read is under way") { try await watcher.scalar(sleeping, as: Int.self) == 1 }
        try await Task.sleep(for: .milliseconds(150))
        #expect(try await pool.read("SELECT 1").count == 1)
        sleeper.cancel()
        #expect(await postgresError { _ = try await sleeper.value }?.code == .canceled)
    }

    @Test func `a read that fails leaves those beside it alone`() async throws {
        let pool = try await makePool(size: 1)
        let answers = try await SharedTripTests.queueUp(30, on: pool) { number in
            do throws(any Error) {
                return try await pool.read("SELECT 12 / \(number % 4)::int").first?.first(as: Int.self) ?? -1
            } catch let error as PostgresError where error.sqlState == "22012" {
                return -2
            }
        }
        #expect(answers == (0..<30).map { $0 % 4 == 0 ? -2 : 12 / ($0 % 4) })
        #expect(try await pool.scalar("SELECT 1", as: Int.self) == 1)
    }

    @Test func `writes that wait share a transaction, and one that fails takes no other with it`() async throws {
        let pool = try await makePool(size: 1)
        try await pool.execute("CREATE TABLE t (id int PRIMARY KEY CHECK (id <> 7))")
        let transactions = try await SharedTripTests.queueUp(40, on: pool) { number in
            do throws(any Error) {
                return try await pool.write(
                    "INSERT INTO t VALUES (\(number)) RETURNING pg_current_xact_id()::text", order: "\(number)"
                ).first?.first(as: String.self)
            } catch let error as PostgresError where error.sqlState == "23514" {
                return "refused"
            }
        }
        #expect(transactions[7] == "refused" && transactions.filter { $0 == "refused" }.count == 1)
        #expect(try await pool.query("SELECT FROM t").count == 39)
        // The batch of the refused one ran again, each statement by itself.
        #expect(Set(transactions).count < 36)
    }

    @Test func `a write that has been answered is committed, whatever becomes of those behind it`() async throws {
        let pool = try await makePool(size: 2)
        let other = try await makePool(size: 1)
        let database: String = try await pool.scalar("SELECT current_database()")
        try await pool.execute("CREATE TABLE t (id int PRIMARY KEY)")
        let answered = try await withThrowingTaskGroup(of: Int?.self) { group in
            for number in 0..<200 {
                group.addTask {
                    do {
                        _ = try await pool.write("INSERT INTO t VALUES (\(number))", order: "\(number)")
                        return number
                    } catch let error as PostgresError where error.isUnavailable {
                        return nil
                    }
                }
            }
            group.addTask {
                for _ in 0..<10 {
                    try await other.query(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = \(database)")
                }
                return nil
            }
            return try await group.reduce(into: Set<Int>()) { if let number = $1 { $0.insert(number) } }
        }
        let there = Mutex<Set<Int>>([])
        // The last of those sessions may still be about to end.
        try await eventually("the table is read") {
            do {
                let ids = try await pool.read("SELECT id FROM t").map { try $0.first(as: Int.self) }
                there.withLock { $0.formUnion(ids) }
                return true
            } catch let error as PostgresError where error.isUnavailable {
                return false
            }
        }
        #expect(answered.isSubset(of: there.withLock { $0 }))
    }

    @Test func `reads take no more than two connections, and leave the others to those who write`() async throws {
        let pool = try await makePool(size: 6)
        let sessions = try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<200 {
                group.addTask {
                    try await pool.read("SELECT pg_backend_pid(), pg_sleep(0.001)").first?.value("pg_backend_pid") ?? 0
                }
            }
            return try await group.reduce(into: Set<Int>()) { $0.insert($1) }
        }
        #expect(sessions.count <= 2 && !sessions.contains(0))
    }

    @Test func `slow reads do not keep a transaction waiting`() async throws {
        let pool = try await makePool(size: 4)
        // pg_stat_activity shows all databases.
        let watcher = try await makePool(size: 1)
        let sleepers = (0..<64).map { _ in Task { try await pool.read("SELECT pg_sleep(60) /* slow read */") } }
        let sleeping: Query =
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%slow read%' AND pid <> pg_backend_pid()"
        try await eventually("two round trips are under way") { try await watcher.scalar(sleeping, as: Int.self) == 2 }
        #expect(try await pool.transaction { try $0.query("SELECT 1").count } == 1)
        for sleeper in sleepers { sleeper.cancel() }
        for sleeper in sleepers {
            #expect(await postgresError { _ = try await sleeper.value }?.code == .canceled)
        }
        #expect(try await pool.read("SELECT 1").count == 1)
    }

    @Test func `one who no longer wants his answer does not take it from the others`() async throws {
        let pool = try await makePool(size: 1)
        let outcomes = try await SharedTripTests.queueUp(20, on: pool) { number in
            let task = Task {
                try await pool.read("SELECT pg_sleep(0.02), \(number)::int AS number").first?.value(
                    "number", as: Int.self)
            }
            if number % 5 == 0 {
                // Some wait then, others are under way.
                try await Task.sleep(for: .milliseconds(100 + 10 * number))
                task.cancel()
            }
            do {
                return try await task.value
            } catch let error as PostgresError where error.code == .canceled {
                return nil
            }
        }
        for (number, outcome) in outcomes.enumerated() {
            #expect(outcome == number || number % 5 == 0 && outcome == nil)
        }
    }

    @Test func `a session that ended unnoticed is replaced for all who would have shared it`() async throws {
        let pool = try await makePool(size: 1)
        let killer = try await makePool(size: 1)
        for _ in 0..<5 {
            let pid = try await pool.withConnection { $0.processID }
            try await killer.query("SELECT pg_terminate_backend(\(pid), 5000)")
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<10 {
                    group.addTask {
                        let row = try #require(try await pool.read("SELECT \(number)::int").first)
                        #expect(try row.first(as: Int.self) == number)
                    }
                }
                try await group.waitForAll()
            }
        }
    }
}
