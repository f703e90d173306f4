private import Dispatch
import RuntimeCore

/// Removes what was renamed to `.trash-…`, on a thread of its own and one tree at a time, so that no task waits for the
/// removal of a large tree. How far it is shows in metrics, and every ten seconds in the log.
///
/// It remembers folders, not trees: what it could not remove stays in its folder and is tried again with the next trash
/// there, or at the next start.
final class TrashCollector: Sendable {
    /// A folder that can hold trash.
    enum Folder: Hashable, Sendable {
        /// Where a workspace was made; goes away itself once the workspace exists.
        case nursery(wsid: String)
        case live(wsid: String)
        case snapshots(wsid: String)
    }

    /// Removes a tree: parent, name, how far it is, and what stops it.
    typealias Remove = @Sendable (Directory, String, CloneProgress, Cancellation) throws -> Void

    private let mount: Mount
    private let remove: Remove
    private let metrics: ExecutorMetrics
    private let logger: Logger
    private let cancellation: Cancellation
    private let queue = DispatchQueue(label: "executor.trash", qos: .background)
    private let pending = Mutex<Set<Folder>>([])

    init(mount: Mount, metrics: ExecutorMetrics, logger: Logger, remove: @escaping Remove) throws {
        self.mount = mount
        self.metrics = metrics
        self.remove = remove
        self.logger = logger
        cancellation = try Cancellation()
    }

    /// Empties the trash of a folder some time later.
    func collect(_ folder: Folder) {
        guard pending.withLock({ $0.insert(folder).inserted }), !cancellation.isCancelled else { return }
        metrics.trashFolders.add(1)
        queue.async { [self] in
            pending.withLock { _ = $0.remove(folder) }
            empty(folder)
            metrics.trashFolders.add(-1)
        }
    }

    /// Empties the trash of a workspace some time later.
    func collect(workspace wsid: String) {
        collect(.live(wsid: wsid))
        collect(.snapshots(wsid: wsid))
    }

    /// Waits until everything handed in so far has been tried.
    func drain() { queue.sync {} }

    /// Stops at the next entry; what is left is swept at the next start.
    func stop() { cancellation.cancel() }

    private func empty(_ folder: Folder) {
        do {
            guard let directory = try open(folder) else { return }
            for name in try directory.names() where StagedName(name) == .trash {
                try cancellation.check()
                do {
                    try TrashRemoval(path: directory.subject(name), metrics: metrics, logger: logger).run { progress in
                        try remove(directory, name, progress, cancellation)
                    }
                } catch  where !(error is CancellationError) {
                    logger.warn("trash not removed", [.path: .text(directory.subject(name)), .error: LogValue(error)])
                }
            }
            if case .nursery(let wsid) = folder { try Nursery(mount: mount.open(), wsid: wsid)?.dissolveOnceBorn() }
        } catch is CancellationError {
            return
        } catch {
            logger.warn("trash not collected", [.path: .text("\(folder)"), .error: LogValue(error)])
        }
    }

    private func open(_ folder: Folder) throws -> Directory? {
        let root = try mount.open()
        return switch folder {
        case .nursery(let wsid): try Nursery(mount: root, wsid: wsid)?.place
        case .live(let wsid): try WorkspaceFolder(mount: root, wsid: wsid)?.live
        case .snapshots(let wsid): try WorkspaceFolder(mount: root, wsid: wsid)?.snapshots
        }
    }
}
