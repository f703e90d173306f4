import Postgres
package import RuntimeCore

/// What `wvs-api` is told at its start (seeds 12, design 10).
package struct APISettings: Sendable {
    let dsn: String
    let poolSize: Int
    let listenAddress: SocketAddress
    package let metricsAddress: SocketAddress
    /// Where agents see their workspaces.
    let workspaceRoot: String
    package let logLevel: Logger.Level
    let shutdownTimeout: Duration

    package init(_ reader: inout SettingsReader) {
        dsn = reader.value(
            "WVS_DB_DSN", default: nil, expected: "a libpq connection string, postgres://… or key=value",
            help: "the service's database", placeholder: ""
        ) { ConnectionSettings.isReadable(dsn: $0) ? $0 : nil }
        poolSize = reader.integer("WVS_DB_POOL", default: 10, in: 1...1000, "most connections for requests")
        listenAddress = reader.address("WVS_LISTEN_ADDR", default: "0.0.0.0:8080", "where the API listens")
        metricsAddress = reader.address(
            "WVS_METRICS_ADDR", default: "0.0.0.0:9090", "where probes and metrics are served, beside the API's own")
        workspaceRoot = reader.value(
            "WVS_WORKSPACE_ROOT", default: "/ws", expected: "an absolute path",
            help: "where agents see their workspaces", placeholder: "/ws"
        ) { $0.hasPrefix("/") ? $0 : nil }
        logLevel = reader.logLevel()
        shutdownTimeout = reader.duration(
            "WVS_SHUTDOWN_TIMEOUT", default: "30s", "how long requests under way may take after SIGTERM")
    }
}
