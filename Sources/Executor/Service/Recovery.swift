import ExecutorRPC
import Quiesce
import Runtime
import RuntimeCore

/// Waits for the volume, and does what comes before any work on it: releases the workspaces that this executor had frozen, and
/// sweeps. Then it watches the volume: when it goes, or does not answer, the executor is not ready until the right one is back and
/// all that has been done again.
final class Recovery: Service {
    private struct State {
        /// Why the executor is not ready; nil where it is.
        var reason: String? = "starting"
        var isWatching = false
        var lastAnswer = MonotonicTime.now
    }

    private static let interval = Duration.seconds(1)

    let name = "recovery"
    private let mount: Mount
    private let executorID: String
    private let engines: EngineProvider
    private let trash: TrashCollector
    private let patience: Duration
    private let logger: Logger
    private let pool = BlockingPool(label: "executor.recovery", width: 1)
    private let state = Mutex(State())
    private let (stop, stopper) = AsyncStream.makeStream(of: Void.self)

    /// - Parameter patience: how long a look may take before the volume counts as hung.
    init(
        mount: Mount, executorID: String, engines: EngineProvider, trash: TrashCollector,
        patience: Duration = .seconds(10), logger: Logger
    ) {
        self.mount = mount
        self.executorID = executorID
        self.engines = engines
        self.trash = trash
        self.patience = patience
        self.logger = logger
    }

    /// The first look, to be made before anything is served: then a first call does not find the executor unready.
    func start() async throws { try await pool.run { [self] in look() } }

    func run() async throws {
        state.withLock { state in
            state.isWatching = true
            state.lastAnswer = .now
        }
        let watch = Task {
            while true {
                try await Task.sleep(for: Self.interval)
                try await pool.run { [self] in look() }
            }
        }
        for await _ in stop {}
        watch.cancel()
        trash.stop()
        // Threads that hang in the file system are left to the end of the process.
        if hung != nil { return }
        _ = await watch.result
        try await pool.run { [trash] in trash.drain() }
    }

    func shutdown() { stopper.finish() }

    /// Why the executor is not ready; nil where it is. Never waits for the file system.
    var obstacle: String? { state.withLock { $0.reason } ?? hung }

    private var hung: String? {
        let silence = state.withLock { $0.isWatching ? MonotonicTime.now - $0.lastAnswer : .zero }
        return silence > patience ? "\(mount.path) has not answered for \(silence.components.seconds) s" : nil
    }

    func checkReady() throws(TaskFailure) {
        guard let obstacle else { return }
        throw TaskFailure(code: .executorError, message: "not ready: \(obstacle)", retryable: true)
    }

    /// Blocks as long as the file system does.
    private func look() {
        defer { state.withLock { $0.lastAnswer = .now } }
        if state.withLock({ $0.reason == nil }) {
            do {
                _ = try mount.open()
                return
            } catch {
                wait(error)
            }
        }
        do {
            let volume = try mount.take()
            engines.forget()
            try recover()
            state.withLock { $0.reason = nil }
            logger.info("ready", [.path: .text(mount.path), .volume: .text(volume.name)])
        } catch {
            wait(error)
        }
    }

    private func wait(_ error: any Error) {
        let reason = String(describing: error)
        let isNews = state.withLock { state in
            defer { state.reason = reason }
            return state.reason != reason
        }
        if isNews { logger.warn("not ready", [.error: .text(reason)]) }
    }

    /// Throws where the volume cannot be read.
    private func recover() throws {
        let root = try mount.open()
        for wsid in try root.names() where Names.isWorkspaceID(wsid) {
            recovering(wsid) {
                guard let folder = try WorkspaceFolder(mount: root, wsid: wsid) else { return }
                try recover(folder)
            }
        }
        guard try root.isDirectory(Nursery.name) else { return }
        for wsid in try root.open(Nursery.name).names() {
            recovering(wsid) { try recoverNursery(root, wsid) }
        }
    }

    /// A folder that is no workspace, or a broken one, must not keep the others waiting.
    private func recovering(_ wsid: String, _ body: () throws -> Void) {
        do {
            try body()
        } catch {
            logger.warn("workspace not recovered", [.wsid: .text(wsid), .error: LogValue(error)])
        }
    }

    private func recover(_ folder: WorkspaceFolder) throws {
        if try FreezeCoordinator.releaseLeftover(controlDirectory: folder.control.raw, executorID: executorID) {
            logger.warn("released what an earlier run had frozen", [.wsid: .text(folder.wsid)])
        }
        // Sources with the recorded fence may belong to an attempt of another executor.
        if let fence = try folder.fence.read() { _ = try folder.removeSources { $0 < fence } }
        trash.collect(workspace: folder.wsid)
    }

    private func recoverNursery(_ root: Directory, _ wsid: String) throws {
        guard let nursery = try Nursery(mount: root, wsid: wsid) else { return }
        if let fence = try nursery.fence.read() { _ = try nursery.place.removeSources { $0 < fence } }
        trash.collect(.nursery(wsid: wsid))
    }
}
