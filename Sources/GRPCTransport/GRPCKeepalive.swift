/// When to ask a silent connection whether the other side is still there (HTTP/2 PING).
package struct GRPCKeepalive: Sendable {
    /// Silence after which to ask.
    package var interval: Duration
    /// Without an answer for this long the connection is closed, and its calls end as UNAVAILABLE.
    package var timeout: Duration

    package init(interval: Duration = .seconds(10), timeout: Duration = .seconds(5)) {
        self.interval = interval
        self.timeout = timeout
    }
}
