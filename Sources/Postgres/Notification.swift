/// What a listener has to tell about a channel.
package enum Notification: Sendable, Equatable {
    /// Somebody sent NOTIFY with this payload.
    case received(payload: String)
    /// From here on nothing is missed, but before it something may have been: the listener has just started to hear, connected
    /// again, or the consumer was too slow. Look at the tables.
    case resumed
}

/// NOTIFY as libpq hands it out.
struct ServerNotification: Sendable {
    let channel: String
    let payload: String
}
