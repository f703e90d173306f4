import ExecutorRPC
import Quiesce
import Runtime
import RuntimeCore

/// What an executor does before it serves: it releases the workspaces that it had frozen, and sweeps.
///
/// Waits for the mount where it is not there yet; until all is done the executor is not ready.
final class Recovery: Service {
    private enum State: Equatable {
        case waiting(reason: String)
        case ready
    }

    let name = "recovery"
    private let mount: Mount
    private let executorID: String
    private let trash: TrashCollector
    private let logger: Logger
    private let pool = BlockingPool(label: "executor.recovery", width: 1)
    private let state = Mutex(State.waiting(reason: "starting"))
    private let (stop, stopper) = AsyncStream.makeStream(of: Void.self)

    init(mount: Mount, executorID: String, trash: TrashCollector, logger: Logger) {
        self.mount = mount
        self.executorID = executorID
        self.trash = trash
        self.logger = logger
    }

    /// One try, to be made before anything is served: then a first call does not find the executor unready. Where the mount
    /// is not there yet, `run` goes on trying.
    func start() async throws {
        do {
            try await pool.run { [self] in try recover() }
            state.withLock { $0 = .ready }
            logger.info("ready", [.path: .text(mount.path)])
        } catch let error as SystemError {
            let next = State.waiting(reason: error.description)
            let isNews = state.withLock { state in
                defer { state = next }
                return state != next
            }
            if isNews { logger.warn("not ready", [.error: LogValue(error)]) }
        }
    }

    func run() async throws {
        let retries = Task {
            while state.withLock({ $0 }) != .ready {
                try await Task.sleep(for: .seconds(1))
                try await start()
            }
        }
        for await _ in stop {}
        retries.cancel()
        trash.stop()
        _ = await retries.result
        try await pool.run { [trash] in trash.drain() }
    }

    func shutdown() { stopper.finish() }

    /// Why the executor is not ready; nil where it is.
    var obstacle: String? {
        if case .waiting(let reason) = state.withLock({ $0 }) { return reason }
        do {
            _ = try mount.open()
            return nil
        } catch {
            return error.description
        }
    }

    func checkReady() throws(TaskFailure) {
        if case .waiting(let reason) = state.withLock({ $0 }) {
            throw TaskFailure(code: .executorError, message: "not ready: \(reason)", retryable: true)
        }
    }

    /// Throws `SystemError` where the mount cannot be read.
    func recover() throws {
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
