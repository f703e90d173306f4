package import Postgres

/// What processes tell each other through PostgreSQL (design 4). A notification only saves waiting: whoever misses one finds
/// the same in the tables by polling.
package enum Channel: String, Sendable {
    /// A task became runnable.
    case tasks = "wvs_tasks"
    /// Cancellation of a running task was requested; the payload is its id.
    case cancel = "wvs_cancel"
    /// A task ended; the payload is its id.
    case done = "wvs_done"
}

extension Notifier {
    package func notify(_ channel: Channel, _ payload: String = "") { notify(channel.rawValue, payload: payload) }
}

extension Listener {
    package func notifications(_ channel: Channel) -> AsyncStream<Notification> { notifications(channel.rawValue) }
}
