import RuntimeCore

/// `EXECUTOR_ENGINE`.
package enum EngineChoice: String, CaseIterable, Sendable {
    /// The first of the others, in this order, that works on the file system.
    case auto
    case btrfs
    case reflink
    case copy

    /// The engine to use in the open directory `mount`.
    ///
    /// - Parameters:
    ///   - threads: `EXECUTOR_CLONE_THREADS`; 0 means one for each core.
    ///   - passedOver: is told, with `auto`, which engines do not work there.
    /// - Throws: `EngineUnusable` where the engine that was asked for does not work there.
    package func engine(
        mount: CInt, threads: Int, passedOver: (EngineUnusable) -> Void = { _ in }
    ) throws -> any CloneEngine {
        switch self {
        case .auto:
            for choice in Self.allCases where choice != .auto && choice != .copy {
                do {
                    return try choice.engine(mount: mount, threads: threads)
                } catch let unusable as EngineUnusable {
                    passedOver(unusable)
                }
            }
            return try Self.copy.engine(mount: mount, threads: threads)
        case .btrfs: return try usable(BtrfsEngine(threads: threads), mount)
        case .reflink: return try usable(TreeWalkEngine.reflink(threads: threads), mount)
        case .copy: return try usable(TreeWalkEngine.copy(threads: threads), mount)
        }
    }

    private func usable(_ engine: any CloneEngine, _ mount: CInt) throws(EngineUnusable) -> any CloneEngine {
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
