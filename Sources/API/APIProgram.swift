import HTTPServer
import Migrations
import Model
import Postgres
package import Runtime
package import RuntimeCore
import Store

/// `wvs-api`: the HTTP control plane.
package struct APIProgram: Sendable {
    /// Where it listens, also where a setting said port 0.
    package let address: SocketAddress
    package let metricsAddress: SocketAddress
    /// Every method and path pattern that is served.
    let routes: [(method: String, pattern: String)]
    private let schema: SchemaGuard
    /// In the order in which they start.
    package let services: [any Service]

    package init(_ settings: APISettings, logger: Logger) throws {
        let registry = MetricsRegistry()
        let metrics = APIMetrics(registry)
        // No statement of a request takes long: where one does, the server hangs.
        let database = ConnectionSettings(
            dsn: settings.dsn, applicationName: "wvs-api", answerTimeout: .seconds(10))
        // Who waits for a lock has a connection, which requests for other workspaces may need.
        let pool = PostgresPool(database, PostgresPool.Limits(size: settings.poolSize), logger: logger) { connection in
            try connection.script("SET lock_timeout = '2s'")
        }
        schema = SchemaGuard(pool)
        let notifier = Notifier(database, logger: logger)
        let listener = Listener(database, logger: logger)
        let watch = TaskWatch(pool: pool, listener: listener)
        let enqueue = Enqueue(
            pool: pool, notifier: notifier, paths: WorkspacePaths(root: settings.workspaceRoot), metrics: metrics)
        let closing = Closing(pool: pool, notifier: notifier, metrics: metrics)

        var router = Router()
        router.interceptor = Gateway(schema: schema, metrics: metrics, logger: logger).handle
        WorkspaceRoutes(pool: pool, enqueue: enqueue, closing: closing).add(to: &router)
        SnapshotRoutes(pool: pool, enqueue: enqueue).add(to: &router)
        CurrentRoutes(pool: pool, enqueue: enqueue).add(to: &router)
        TaskRoutes(pool: pool, watch: watch, closing: closing).add(to: &router)
        AuditRoutes(pool: pool).add(to: &router)
        DocumentRoute().add(to: &router)
        let readiness: @Sendable () async -> [ReadinessCheck] = { await APIProgram.readiness(of: pool) }
        router.addMonitoring(metrics: registry, readiness: readiness)

        routes = router.routes
        let api = try HTTPServer(name: "api", address: settings.listenAddress, router: router, logger: logger)
        let monitoring = try HTTPServer.monitoring(
            address: settings.metricsAddress, metrics: registry, logger: logger, readiness: readiness)
        address = api.address
        metricsAddress = monitoring.address
        // They end the other way round: those who wait for a task first, then the requests, then what requests stand on.
        services = [pool, notifier, listener, monitoring, api, watch]
    }

    /// Until SIGTERM, SIGINT or the failure of a service.
    package static func run(_ settings: APISettings) async throws {
        let logger = Logger(level: settings.logLevel)
        let program = try APIProgram(settings, logger: logger)
        try await program.schema.check()
        try await ServiceGroup(
            [program.schema] + program.services, shutdownTimeout: settings.shutdownTimeout, patience: .seconds(1),
            logger: logger
        ).run()
    }

    private static func readiness(of pool: PostgresPool) async -> [ReadinessCheck] {
        do {
            let schema = try await SchemaVersion.status(of: pool)
            return [
                ReadinessCheck("database", problem: nil),
                ReadinessCheck("schema", problem: schema.problem),
            ]
        } catch {
            return [ReadinessCheck("database", problem: "\(error)")]
        }
    }
}
