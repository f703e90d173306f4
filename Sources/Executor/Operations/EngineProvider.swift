import RuntimeCore

/// The engine for the volume, chosen when it is first needed: the volume may come after the program.
final class EngineProvider: Sendable {
    private let choose: @Sendable (Directory) throws -> any CloneEngine
    private let logger: Logger
    private let chosen = Mutex<(any CloneEngine)?>(nil)

    /// - Parameter choose: finds the engine that works for a folder of the mount, or throws why none does.
    init(logger: Logger, _ choose: @escaping @Sendable (Directory) throws -> any CloneEngine) {
        self.logger = logger
        self.choose = choose
    }

    convenience init(settings: ExecutorSettings, logger: Logger) {
        self.init(logger: logger) { folder in
            try settings.engine.engine(mount: folder.raw, threads: settings.cloneThreads) { unusable in
                logger.info("engine passed over", [.engine: .text(unusable.engine), .reason: .text(unusable.cause)])
            }
        }
    }

    /// Has the engine chosen again: the volume may have come back as another kind of file system.
    func forget() { chosen.withLock { $0 = nil } }

    func engine(for folder: Directory) throws -> any CloneEngine {
        if let engine = chosen.withLock({ $0 }) { return engine }
        // Two may choose at the same time, and choose the same.
        let engine = try choose(folder)
        logger.info("engine chosen", [.engine: .text(engine.name)])
        chosen.withLock { $0 = engine }
        return engine
    }

    /// Removes a tree, entry by entry where no engine can be chosen now: a full disk is to become emptier by that.
    func remove(in folder: Directory, _ name: String, progress: CloneProgress, cancellation: Cancellation) throws {
        let engine: any CloneEngine
        do {
            engine = try self.engine(for: folder)
        } catch is SystemError {
            return try TreeRemoval.remove(
                in: folder.raw, name, threads: 1, progress: progress, cancellation: cancellation)
        }
        try engine.remove(in: folder.raw, name, progress: progress, cancellation: cancellation)
    }
}
