import Runtime
package import RuntimeCore

/// Sends NOTIFY on a connection of its own, after the transaction that it tells of: within it, NOTIFY would make commits wait
/// for each other (design 4).
///
/// The first is sent at once; those that come within a millisecond of it go together, equal ones as one: each sending costs a
/// transaction, and wakes every listener. What can not be sent is dropped: a listener that was cut off
/// hears `.resumed` afterwards, and everybody looks at the tables from time to time.
package final class Notifier: Service {
    package let name = "postgres notifier"
    private static let mostPending = 4096
    private static let pace = Duration.milliseconds(1)

    private struct Message: Hashable {
        let channel: String
        let payload: String
    }

    private let pool: PostgresPool
    private let logger: Logger
    private let pending = Mutex<Set<Message>>([])
    private let wakeups = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))

    package init(_ settings: ConnectionSettings, logger: Logger) {
        pool = PostgresPool(settings, PostgresPool.Limits(size: 1), logger: logger)
        self.logger = logger
    }

    /// Sends soon; returns at once. Call it after the commit.
    ///
    /// - Parameter payload: below 8000 bytes.
    package func notify(_ channel: String, payload: String = "") {
        pending.withLock { pending in
            if pending.count < Notifier.mostPending { pending.insert(Message(channel: channel, payload: payload)) }
        }
        wakeups.continuation.yield()
    }

    package func run() async throws {
        await withTaskCancellationHandler {
            for await _ in wakeups.stream {
                await send()
                // Cancelled it ends at once, and so does the loop.
                try? await Task.sleep(for: Self.pace)
            }
        } onCancel: {
            shutdown()
        }
        // What came with the last wake-up before the end.
        await send()
        await pool.close()
    }

    package func shutdown() { wakeups.continuation.finish() }

    private func send() async {
        let messages = pending.withLock { pending in
            defer { pending = [] }
            return pending
        }
        guard !messages.isEmpty else { return }
        let channels = messages.map(\.channel)
        let payloads = messages.map(\.payload)
        do {
            try await pool.query(
                """
                SELECT pg_notify(channel, payload) FROM unnest(\(channels)::text[], \(payloads)::text[]) AS n(channel, payload)
                """)
        } catch {
            logger.debug("notifications dropped", [.count: .integer(Int64(messages.count)), .error: LogValue(error)])
        }
    }
}
