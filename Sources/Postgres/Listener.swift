import Runtime
package import RuntimeCore

/// Hears NOTIFY on a connection of its own, which it keeps up: it reconnects with backoff, and says `.resumed` to everybody
/// whenever something may have been missed.
///
/// It waits in `poll(2)` on the connection's queue: nothing is polled for, a notification is there as soon as the server sends it.
package final class Listener: Service {
    package let name = "postgres listener"
    /// After that long without a word the server is asked for a sign of life.
    private static let silence = Duration.seconds(30)
    /// What a slow consumer may leave waiting.
    private static let backlog = 256

    private struct Subscription {
        let channel: String
        let events: AsyncStream<Notification>.Continuation
    }

    private struct State {
        var subscriptions: [Int: Subscription] = [:]
        var nextID = 0
        var isStopped = false
        /// Ends the present wait, on the socket or for the next attempt.
        var wake: Cancellation?
    }

    private let settings: ConnectionSettings
    private let onConnect: @Sendable (isolated PostgresConnection) throws -> Void
    private let logger: Logger
    private let opener = BlockingPool(label: "postgres.listen", width: 1)
    private let state = Mutex(State())

    /// - Parameter onConnect: runs on every new connection before it listens, for example to take an advisory lock that says that
    ///   this process lives. Such a lock is gone when the connection is, and taken again on the next one.
    package init(
        _ settings: ConnectionSettings, logger: Logger,
        onConnect: @escaping @Sendable (isolated PostgresConnection) throws -> Void = { _ in }
    ) {
        self.settings = settings
        self.onConnect = onConnect
        self.logger = logger
    }

    package convenience init(dsn: String, applicationName: String = "wvs", logger: Logger) {
        self.init(ConnectionSettings(dsn: dsn, applicationName: applicationName), logger: logger)
    }

    /// What happens on a channel from now on, beginning with `.resumed` once it is listened to. Ends when the listener is shut down.
    package func notifications(_ channel: String) -> AsyncStream<Notification> {
        let (stream, events) = AsyncStream.makeStream(
            of: Notification.self, bufferingPolicy: .bufferingNewest(Listener.backlog))
        let id: Int? = state.withLock { state in
            guard !state.isStopped else { return nil }
            state.nextID += 1
            state.subscriptions[state.nextID] = Subscription(channel: channel, events: events)
            state.wake?.cancel()
            return state.nextID
        }
        guard let id else {
            events.finish()
            return stream
        }
        events.onTermination = { [weak self] _ in self?.state.withLock { _ = $0.subscriptions.removeValue(forKey: id) }
        }
        return stream
    }

    package func run() async throws {
        defer { finishAll() }
        await withTaskCancellationHandler {
            var backoff = ReconnectBackoff()
            while !isStopped {
                do {
                    let connection = try await connect()
                    backoff.reset()
                    try await listen(on: connection)
                } catch {
                    let delay = backoff.next()
                    logger.warn(
                        "not listening",
                        [.error: LogValue(error), .delayMilliseconds: .integer(delay.wholeMilliseconds)])
                    await pause(delay)
                }
            }
        } onCancel: {
            shutdown()
        }
    }

    package func shutdown() {
        state.withLock { state in
            state.isStopped = true
            state.wake?.cancel()
        }
    }

    // MARK: Listening

    private func connect() async throws -> PostgresConnection {
        let connection = try await opener.run { [settings] in try PostgresConnection(connecting: settings) }
        try await connection.prepareSession()
        try await connection.use(interruptedBy: try Cancellation(), onConnect)
        return connection
    }

    private func listen(on connection: PostgresConnection) async throws {
        var heard: Set<String> = []
        var known: Set<Int> = []
        while let wake = try nextWake() {
            let (new, channels) = state.withLock { state in
                (state.subscriptions.filter { !known.contains($0.key) }, Set(state.subscriptions.values.map(\.channel)))
            }
            let missing = channels.subtracting(heard)
            try await connection.use(interruptedBy: try Cancellation()) { connection in
                for channel in missing { try connection.script("LISTEN \(quoted(channel))") }
            }
            heard.formUnion(missing)
            known.formUnion(new.keys)
            new.values.forEach { deliver(.resumed, to: $0) }

            let received = try await connection.use(interruptedBy: wake) { connection in
                try connection.waitForNotifications(Listener.silence)
            }
            if received.isEmpty, !wake.isCancelled {
                try await connection.use(interruptedBy: try Cancellation()) { try $0.script("") }
            }
            for notification in received { deliver(notification) }
        }
    }

    private func deliver(_ notification: ServerNotification) {
        let subscriptions = state.withLock { $0.subscriptions.values.filter { $0.channel == notification.channel } }
        for subscription in subscriptions { deliver(.received(payload: notification.payload), to: subscription) }
    }

    private func deliver(_ event: Notification, to subscription: Subscription) {
        // Full: the oldest went. In its place the consumer learns that something is missing.
        if case .dropped = subscription.events.yield(event), event != .resumed { subscription.events.yield(.resumed) }
    }

    private func finishAll() {
        state.withLock { state in
            state.isStopped = true
            let subscriptions = state.subscriptions
            state.subscriptions = [:]
            return subscriptions
        }.values.forEach { $0.events.finish() }
    }

    // MARK: Waiting

    private var isStopped: Bool { state.withLock { $0.isStopped } }

    /// What interrupts the next wait; nil when it is time to stop. It may already be cancelled: something came up meanwhile.
    private func nextWake() throws -> Cancellation? {
        let fresh = try Cancellation()
        return state.withLock { state in
            guard !state.isStopped else { return nil }
            state.wake = fresh
            return fresh
        }
    }

    private func pause(_ delay: Duration) async {
        guard !isStopped else { return }
        // A shutdown meanwhile waits for this, at most two seconds; cancellation ends it.
        do { try await Task.sleep(for: delay) } catch { shutdown() }
    }
}

/// As an identifier.
private func quoted(_ channel: String) -> String { "\"\(channel.replacing("\"", with: "\"\""))\"" }
