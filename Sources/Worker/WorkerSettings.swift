import Model
import Postgres
package import RuntimeCore

/// What wvs-worker is told (seeds 12, design 10).
package struct WorkerSettings: Sendable {
    package let dsn: String
    package let poolSize: Int
    package let executors: [SocketAddress]
    package let metricsAddress: SocketAddress
    package let logLevel: Logger.Level
    package let engine: EngineOptions

    package init(_ reader: inout SettingsReader) {
        dsn = reader.value(
            "WVS_DB_DSN", default: nil, expected: "a PostgreSQL connection string", help: "the database",
            placeholder: ""
        ) { ConnectionSettings.isReadable(dsn: $0) ? $0 : nil }
        executors = reader.value(
            "EXECUTOR_ADDRS", default: nil, expected: "HOST:PORT[,HOST:PORT]...", help: "the executors",
            placeholder: []
        ) { text in
            let addresses = text.split(separator: ",").map {
                SocketAddress(String($0.drop { $0 == " " }.prefix { $0 != " " }))
            }
            let valid = addresses.compactMap { $0 }
            return valid.isEmpty || valid.count < addresses.count || Set(valid).count < valid.count ? nil : valid
        }
        metricsAddress = reader.address(
            "WVS_METRICS_ADDR", default: "0.0.0.0:9091", "where health and metrics are served")
        logLevel = reader.logLevel()
        let defaults = EngineOptions()
        var engine = defaults
        engine.pollInterval = reader.duration(
            "WORKER_POLL_INTERVAL", default: defaults.pollInterval.text,
            "time between looks at a queue with work, should a notification get lost")
        engine.idleBackoff = reader.duration(
            "WORKER_IDLE_BACKOFF", default: defaults.idleBackoff.text, "the same for an empty queue")
        engine.drainTimeout = reader.duration(
            "WORKER_SHUTDOWN_TIMEOUT", default: defaults.drainTimeout.text,
            "how long a shutdown waits for running tasks before it hands them back")
        engine.concurrency = reader.integer(
            "WORKER_CONCURRENCY", default: defaults.concurrency, in: 1...256, "tasks that run at a time")
        engine.lease = reader.duration(
            "WORKER_LEASE", default: defaults.lease.text,
            "how long a task belongs to a worker that gives no sign of life; renewed every third of it")
        // Never longer than a lease is short.
        engine.reapInterval = min(defaults.reapInterval, engine.lease / 5)
        engine.retry = Backoff(
            base: reader.duration(
                "WORKER_RETRY_BASE", default: defaults.retry.base.text,
                "wait after a task's first failed attempt; doubles up to \(defaults.retry.limit.text)"))
        engine.workspaceRoot = reader.value(
            "WVS_WORKSPACE_ROOT", default: defaults.workspaceRoot, expected: "an absolute path",
            help: "where agents see the workspaces", placeholder: ""
        ) { $0.hasPrefix("/") ? $0 : nil }
        poolSize = reader.integer("WVS_DB_POOL", default: 10, in: 1...256, "most database connections for transactions")
        reader.require(
            engine.lease >= .seconds(1),
            "WORKER_LEASE (--lease) must be at least 1s: calls are cancelled before it ends")
        self.engine = engine
    }
}
