package import Model

/// How a task engine works. The defaults are those of the settings.
package struct EngineOptions: Sendable {
    /// Tasks that run at a time.
    package var concurrency = 8
    package var lease = Duration.seconds(15)
    package var pollInterval = Duration.seconds(1)
    package var idleBackoff = Duration.seconds(5)
    /// Between the attempts of a task.
    package var retry = Backoff()
    /// Between the attempts to learn what an attempt came to.
    package var settle = Backoff(base: .milliseconds(200), limit: .seconds(5))
    package var settleTimeout = Duration.seconds(30)
    package var reapInterval = Duration.seconds(2)
    package var purgeInterval = Duration.seconds(10)
    package var gaugeInterval = Duration.seconds(5)
    /// After an attempt has run for so long, and then at most as often, its progress is stored.
    package var progressInterval = Duration.seconds(1)
    /// How long a shutdown waits for what runs, before it hands it back.
    package var drainTimeout = Duration.seconds(120)
    package var workspaceRoot = "/ws"

    package init() {}
}
