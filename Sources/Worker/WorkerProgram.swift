import HTTPServer
import Migrations
import Postgres
import Runtime
import RuntimeCore

/// wvs-worker: a task engine, a database pool and a listener for probes and scrapes.
package struct WorkerProgram {
    /// For what hangs with PostgreSQL, beside the engine's own time to drain: nothing is lost with it but some leases' time.
    private static let patience = Duration.seconds(1)

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
                return [ReadinessCheck("database", problem: schema.problem)]
            } catch {
                return [ReadinessCheck("database", problem: String(describing: error))]
            }
        }
        let schema = SchemaGuard(pool)
        try await schema.check()
        try await ServiceGroup(
            [pool, monitoring, Guarded(schema: schema, engine: engine)],
            shutdownTimeout: settings.engine.drainTimeout, patience: WorkerProgram.patience, logger: logger
        ).run()
    }
}

/// Claims nothing before the schema is known to be the one that is needed.
private struct Guarded: Service {
    let schema: SchemaGuard
    let engine: TaskEngine

    var name: String { engine.name }

    func run() async throws {
        try await schema.passed()
        try await engine.run()
    }

    func shutdown() {
        schema.shutdown()
        engine.shutdown()
    }
}
