import Postgres
import RuntimeCore
import TestSupport
import Testing

/// What happens when the server goes away. Each test has one of its own.
@Suite struct ServerTests {
    private static let bound = Duration.seconds(30)

    @Test func aRestartedServerIsFoundAgainWithoutHelp() async throws {
        let server = try await TestServer.start()
        let pool = PostgresPool(dsn: server.dsn(), size: 4, logger: quiet)
        let running = Task { try await pool.run() }
        #expect(try await pool.scalar("SELECT 1", as: Int.self) == 1)

        let (started, signal) = AsyncStream.makeStream(of: Void.self)
        let underWay = Task {
            defer { signal.finish() }
            try await pool.withConnection { connection in
                signal.finish()
                _ = try connection.query("SELECT pg_sleep(60)")
            }
        }
        for await _ in started {}
        try await server.stop()
        let cut = await postgresError { try await underWay.value }
        #expect(cut?.isUnavailable == true)

        // Refused at once, not after a wait, and again and again.
        for _ in 0..<20 {
            let start = MonotonicTime.now
            let refused = await postgresError { try await pool.query("SELECT 1") }
            #expect(refused?.isUnavailable == true)
            #expect(MonotonicTime.now - start < .seconds(2))
        }

        try await server.start()
        try await eventually("the pool is ready again", within: ServerTests.bound) {
            await postgresError { try await pool.query("SELECT 1") } == nil
        }
        pool.shutdown()
        try await running.value
    }

    @Test func aStatementCanBeCanceledAlthoughTheServerHangs() async throws {
        let server = try await TestServer.start()
        let pool = PostgresPool(dsn: server.dsn(), size: 1, logger: quiet)
        let watcher = PostgresPool(dsn: server.dsn(), size: 1, logger: quiet)
        let hanging = Task { try await pool.query("SELECT pg_sleep(600)") }
        try await eventually("the statement runs", within: ServerTests.bound) {
            try await watcher.query("SELECT FROM pg_stat_activity WHERE query LIKE '%sleep(600)' AND state = 'active'")
                .count == 1
        }
        try await server.freeze()
        let ended = Mutex(false)
        let waiting = Task {
            let error = await postgresError { _ = try await hanging.value }
            ended.withLock { $0 = true }
            return error
        }
        hanging.cancel()
        do {
            try await eventually("it ends", within: ServerTests.bound) { ended.withLock { $0 } }
        } catch {
            try await server.thaw()
            throw error
        }
        try await server.thaw()
        #expect(await waiting.value?.code == .canceled)
        #expect(try await pool.scalar("SELECT 2", as: Int.self) == 2)
    }

    @Test func aServerThatHangsCostsTheConnectionAndNotTheCallersPatience() async throws {
        let server = try await TestServer.start()
        let settings = ConnectionSettings(
            dsn: server.dsn(), applicationName: "hang", answerTimeout: .milliseconds(200))
        let pool = PostgresPool(settings, PostgresPool.Limits(size: 1), logger: quiet)
        #expect(try await pool.scalar("SELECT 1", as: Int.self) == 1)
        try await server.freeze()
        let refused = Mutex<PostgresError?>(nil)
        let asking = Task {
            let error = await postgresError { try await pool.query("SELECT 1") }
            refused.withLock { $0 = error }
        }
        do {
            try await eventually("it ends", within: ServerTests.bound) { refused.withLock { $0 } != nil }
        } catch {
            try await server.thaw()
            throw error
        }
        try await server.thaw()
        await asking.value
        #expect(refused.withLock { $0?.isUnavailable } == true)
        try await eventually("the pool is ready again", within: ServerTests.bound) {
            await postgresError { try await pool.query("SELECT 1") } == nil
        }
    }

    @Test func upkeepReconnectsBeforeAnybodyAsks() async throws {
        let server = try await TestServer.start()
        try await server.stop()
        let settings = ConnectionSettings(dsn: server.dsn(), applicationName: "upkeep")
        let pool = PostgresPool(settings, PostgresPool.Limits(size: 1), logger: quiet)
        let running = Task { try await pool.run() }
        #expect(await postgresError { try await pool.query("SELECT 1") }?.code == .unreachable)
        try await server.start()
        let watcher = PostgresPool(dsn: server.dsn(), size: 1, logger: quiet)
        try await eventually("it has connected", within: ServerTests.bound) {
            try await watcher.query("SELECT FROM pg_stat_activity WHERE application_name = 'upkeep'").count == 1
        }
        pool.shutdown()
        try await running.value
    }

    @Test func aListenerTellsThatItMayHaveMissedSomething() async throws {
        let server = try await TestServer.start()
        let locked: Query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND objid = 7"
        let settings = ConnectionSettings(dsn: server.dsn(), applicationName: "listener")
        let listener = Listener(settings, logger: quiet) { connection in
            _ = try connection.query("SELECT pg_advisory_lock(7)")
        }
        let running = Task { try await listener.run() }
        var news = listener.notifications("news").makeAsyncIterator()
        #expect(await news.next() == .resumed)
        try await server.stop()
        try await server.start()
        #expect(await news.next() == .resumed)
        let pool = PostgresPool(dsn: server.dsn(), size: 1, logger: quiet)
        try await pool.query("SELECT pg_notify('news', 'after')")
        #expect(await news.next() == .received(payload: "after"))
        // What its owner holds on the connection is held again.
        #expect(try await pool.scalar(locked, as: Int.self) == 1)
        listener.shutdown()
        try await running.value
    }

    @Test func aListenerThatCanNotConnectStopsWhenTold() async throws {
        let listener = Listener(dsn: "host=/nonexistent", logger: quiet)
        let running = Task { try await listener.run() }
        var news = listener.notifications("news").makeAsyncIterator()
        listener.shutdown()
        try await running.value
        #expect(await news.next() == nil)
    }

    @Test(arguments: [
        "postgres://alice:hunter2@127.0.0.1:1/db", "postgres://alice:hunter2@[::1]:1/db",
        "host=/nonexistent password=hunter2", "postgres://alice:hunter2@x@127.0.0.1/db",
        "postgres://alice:hunter2/x@127.0.0.1:1/db", "postgres://alice:1/hunter2@127.0.0.1/db?sslmode=nonsense",
        "postgres://alice:p@hunter2:port/db", "host=127.0.0.1 port=1 password='hunter2", "hunter2 = = x",
        "postgres://alice@127.0.0.1:1/db?passwort=hunter2",
    ])
    func anErrorNeverShowsTheConnectionString(dsn: String) async {
        let pool = PostgresPool(dsn: dsn, size: 1, logger: quiet)
        let error = await postgresError { try await pool.query("SELECT 1") }
        #expect(error?.code == .unreachable || error?.code == .malformedDSN)
        #expect(error?.description.contains("hunter2") == false)
        #expect(error?.code != .malformedDSN || !ConnectionSettings.isReadable(dsn: dsn))
    }

    @Test func aRefusedConnectionSaysWhy() async throws {
        let server = try await TestServer.start()
        let missing = PostgresPool(dsn: server.dsn(database: "absent"), size: 1, logger: quiet)
        let error = await postgresError { try await missing.query("SELECT 1") }
        #expect(error?.code == .unreachable)
        #expect(error?.message.contains("does not exist") == true)
        try await server.stop()
        let gone = PostgresPool(dsn: server.dsn(), size: 1, logger: quiet)
        #expect(await postgresError { try await gone.query("SELECT 1") }?.message.contains("No such file") == true)
    }

    @Test func aConnectionIsEncryptedWhenItsStringSaysSo() async throws {
        let server = try await TestServer.start(encrypted: true)
        let address = "host=127.0.0.1 port=\(server.port) user=postgres dbname=postgres"
        let encrypted: Query = "SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()"
        let tls = PostgresPool(dsn: "\(address) sslmode=require", size: 1, logger: quiet)
        #expect(try await tls.scalar(encrypted) == true)
        let verified = PostgresPool(
            dsn: "\(address) sslmode=verify-full sslrootcert=\(server.folder)/server.crt", size: 1, logger: quiet)
        #expect(try await verified.scalar(encrypted) == true)
        // Results of all sizes around that of TLS records and buffers.
        try await tls.withConnection { connection in
            for size in stride(from: 1000, to: 120_000, by: 1237) {
                let block: String? = try connection.query("SELECT repeat('x', \(size))").first?.first()
                #expect(block?.utf8.count == size)
            }
        }
        let plain = PostgresPool(dsn: "\(address) sslmode=disable", size: 1, logger: quiet)
        #expect(try await plain.scalar(encrypted) == false)
        let stranger = PostgresPool(dsn: "\(address) sslmode=verify-full", size: 1, logger: quiet)
        #expect(await postgresError { try await stranger.query("SELECT 1") }?.code == .unreachable)
    }
}
