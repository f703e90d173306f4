import HTTPServer
import Migrations
import Postgres
import Runtime
import RuntimeCore

/// wvs-worker: a task engine, a database pool and a listener for probes and scrapes.
package struct WorkerProgram {
    /// Beside the engine's own time to drain.
    private static let shutdownGrace = Duration.seconds(10)

    private let settings: WorkerSettings

    package init(_ settings: WorkerSettings) { self.settings = settings }

    /// Runs until a signal ends it, or a part fails.
    package func run() async throws {
        let logger = Logger(level: settings.logLevel).with(.program, "wvs-worker")
        let registry = MetricsRegistry()
        let metrics = WorkerMetrics(registry)
        let database = ConnectionSettings(dsn: settings.dsn, applicationName: "wvs-worker")
        let pool = PostgresPool(database, PostgresPool.Limits(size: settings.poolSize), logger: logger)
        let engine = TaskEngine(
            pool: pool, database: database,
            executors: try Executors(addresses: settings.executors.map(\.description), logger: logger),
            options: settings.engine, metrics: metrics, logger: logger)
        let monitoring = try HTTPServer.monitoring(
            address: settings.metricsAddress, metrics: registry, logger: logger
        ) {
            do {
                let schema = try await SchemaVersion.status(of: pool)
                return [ReadinessCheck("database", problem: schema == .current ? nil : schema.description)]
            } catch {
                return [ReadinessCheck("database", problem: String(describing: error))]
            }
        }
        try await ServiceGroup(
            [pool, monitoring, engine], shutdownTimeout: settings.engine.drainTimeout + WorkerProgram.shutdownGrace,
            logger: logger
        ).run()
    }
}
