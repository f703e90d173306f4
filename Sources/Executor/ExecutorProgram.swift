import ExecutorRPC
import HTTPServer
import Runtime
package import RuntimeCore

/// wvs-executor: everything it is made of, from settings to services.
package struct ExecutorProgram: Sendable {
    private let settings: ExecutorSettings
    private let recovery: Recovery
    private let monitoring: HTTPServer
    private let server: ExecutorServer
    private let logger: Logger

    /// Listens on both addresses; throws where that is not possible.
    package init(settings: ExecutorSettings, logger: Logger) throws {
        let logger = logger.with(.executor, .text(settings.executorID))
        try DescriptorTable.reserve()
        let registry = MetricsRegistry()
        let mount = Mount(path: settings.mountPath, setting: settings.volume, owner: settings.control)
        let engines = EngineProvider(settings: settings, logger: logger)
        let metrics = ExecutorMetrics(registry, executorID: settings.executorID)
        let trash = try TrashCollector(mount: mount, metrics: metrics, logger: logger) {
            folder, name, progress, cancellation in
            try engines.remove(in: folder, name, progress: progress, cancellation: cancellation)
        }
        let recovery = Recovery(
            mount: mount, executorID: settings.executorID, engines: engines, trash: trash, logger: logger)
        let context = OperationContext(
            mount: mount, settings: settings, engines: engines, trash: trash,
            metrics: metrics)
        self.settings = settings
        self.logger = logger
        self.recovery = recovery
        monitoring = try HTTPServer.monitoring(address: settings.metricsAddress, metrics: registry, logger: logger) {
            [ReadinessCheck("mount", problem: recovery.obstacle)]
        }
        server = try ExecutorServer(
            address: settings.grpcAddress.description,
            service: WorkspaceExecutor(context: context, recovery: recovery, logger: logger),
            drainTimeout: settings.shutdownTimeout, logger: logger)
    }

    /// Where workers reach it.
    package var grpcAddress: SocketAddress {
        SocketAddress(host: settings.grpcAddress.host, port: UInt16(server.port))
    }

    package var monitoringAddress: SocketAddress { monitoring.address }

    /// Recovers, then serves until a signal ends it. Calls are drained first; then what they left to the background is stopped.
    package func run() async throws {
        try await recovery.start()
        let group = ServiceGroup(
            [monitoring, recovery, server], shutdownTimeout: settings.shutdownTimeout, logger: logger)
        try await group.run {
            logger.info(
                "listening", [.program: "grpc", .address: LogValue(grpcAddress), .version: .text(Version.current)])
        }
    }
}
