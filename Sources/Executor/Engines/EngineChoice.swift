import RuntimeCore

/// `EXECUTOR_ENGINE`.
package enum EngineChoice: String, CaseIterable, Sendable {
    /// The first of the others, in this order, that works on the file system.
    case auto
    case reflink
    case copy

    /// The engine to use in the open directory `mount`.
    ///
    /// - Parameter threads: `EXECUTOR_CLONE_THREADS`; 0 means one for each core.
    /// - Throws: `EngineUnusable` where the engine that was asked for does not work there.
    package func engine(mount: CInt, threads: Int) throws -> any CloneEngine {
        switch self {
        case .auto:
            do {
                return try Self.reflink.engine(mount: mount, threads: threads)
            } catch is EngineUnusable {
                return try Self.copy.engine(mount: mount, threads: threads)
            }
        case .reflink: return try usable(TreeWalkEngine.reflink(threads: threads), mount)
        case .copy: return try usable(TreeWalkEngine.copy(threads: threads), mount)
        }
    }

    private func usable(_ engine: TreeWalkEngine, _ mount: CInt) throws(EngineUnusable) -> TreeWalkEngine {
        do {
            try engine.probe(mount: mount)
            return engine
        } catch {
            throw EngineUnusable(engine: engine.name, cause: String(describing: error))
        }
    }
}

/// An engine does not work on a file system.
package struct EngineUnusable: Error, Equatable, CustomStringConvertible {
    package let engine: String
    package let cause: String

    package var description: String { "the engine \(engine) does not work on this file system: \(cause)" }
}
