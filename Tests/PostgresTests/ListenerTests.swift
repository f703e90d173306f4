import Postgres
import RuntimeCore
import TestSupport
import Testing

@Suite struct ListenerTests {
    /// Runs a listener for the length of `body`.
    private static func withListener(
        _ dsn: String, _ body: (Listener) async throws -> Void
    ) async throws {
        let listener = Listener(dsn: dsn, logger: quiet)
        let running = Task { try await listener.run() }
        try await body(listener)
        listener.shutdown()
        try await running.value
    }

    @Test func aNotificationArrivesOnItsChannelOnly() async throws {
        let pool = try await makePool()
        try await ListenerTests.withListener(try await pool.dsn()) { listener in
            var one = listener.notifications("one").makeAsyncIterator()
            var two = listener.notifications("Two, with \"quotes\"").makeAsyncIterator()
            #expect(await one.next() == .resumed)
            #expect(await two.next() == .resumed)
            try await pool.query("SELECT pg_notify('one', 'first')")
            try await pool.query("SELECT pg_notify(\("Two, with \"quotes\""), 'second')")
            try await pool.query("SELECT pg_notify('one', 'third')")
            #expect(await one.next() == .received(payload: "first"))
            #expect(await one.next() == .received(payload: "third"))
            #expect(await two.next() == .received(payload: "second"))
        }
    }

    @Test func whoComesLaterHearsFromThenOn() async throws {
        let pool = try await makePool()
        try await ListenerTests.withListener(try await pool.dsn()) { listener in
            var early = listener.notifications("news").makeAsyncIterator()
            #expect(await early.next() == .resumed)
            try await pool.query("SELECT pg_notify('news', '1')")
            #expect(await early.next() == .received(payload: "1"))
            var late = listener.notifications("news").makeAsyncIterator()
            #expect(await late.next() == .resumed)
            try await pool.query("SELECT pg_notify('news', '2')")
            #expect(await late.next() == .received(payload: "2"))
            #expect(await early.next() == .received(payload: "2"))
        }
    }

    @Test func aSlowConsumerLearnsThatItMissedSomething() async throws {
        let pool = try await makePool()
        try await ListenerTests.withListener(try await pool.dsn()) { listener in
            let slow = listener.notifications("news")
            var fast = listener.notifications("news").makeAsyncIterator()
            #expect(await fast.next() == .resumed)
            try await pool.query("SELECT pg_notify('news', n::text) FROM generate_series(1, 2000) AS n")
            var seen = 0
            while await fast.next() != .received(payload: "2000") { seen += 1 }
            #expect(seen >= 256)
            var events: [Notification] = []
            for await event in slow {
                events.append(event)
                if event == .received(payload: "2000") { break }
            }
            #expect(events.count <= 257)
            #expect(events.dropFirst().contains(.resumed))
        }
    }

    @Test func theNotifierSendsSoonAndOnce() async throws {
        let pool = try await makePool()
        let dsn = try await pool.dsn()
        try await ListenerTests.withListener(dsn) { listener in
            let notifier = Notifier(ConnectionSettings(dsn: dsn, applicationName: "notifier"), logger: quiet)
            var news = listener.notifications("news").makeAsyncIterator()
            #expect(await news.next() == .resumed)
            // Before it runs: all of these wait together.
            for _ in 0..<10 { notifier.notify("news", payload: "same") }
            notifier.notify("other")
            let running = Task { try await notifier.run() }
            #expect(await news.next() == .received(payload: "same"))
            notifier.notify("news", payload: "last")
            notifier.shutdown()
            try await running.value
            #expect(await news.next() == .received(payload: "last"))
        }
    }

    @Test func aShutDownListenerEndsItsStreams() async throws {
        let pool = try await makePool()
        let listener = Listener(dsn: try await pool.dsn(), logger: quiet)
        let running = Task { try await listener.run() }
        var news = listener.notifications("news").makeAsyncIterator()
        #expect(await news.next() == .resumed)
        listener.shutdown()
        try await running.value
        #expect(await news.next() == nil)
        var late = listener.notifications("news").makeAsyncIterator()
        #expect(await late.next() == nil)
    }
}

extension PostgresPool {
    /// A connection string of the tests' server for the same database.
    fileprivate func dsn() async throws -> String {
        let folder: String = try await scalar("SELECT split_part(current_setting('unix_socket_directories'), ',', 1)")
        let database: String = try await scalar("SELECT current_database()")
        return "host=\(folder) port=5432 user=postgres dbname=\(database)"
    }
}
