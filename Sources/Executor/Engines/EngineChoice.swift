private import Glibc
import RuntimeCore

/// `EXECUTOR_ENGINE`.
package enum EngineChoice: String, CaseIterable, Sendable {
    /// The first of the others, in this order, that works on the file system.
    case auto
    case juicefs
    case btrfs
    case reflink
    case copy

    /// The engine to use in the open directory `mount`.
    ///
    /// - Parameters:
    ///   - threads: `EXECUTOR_CLONE_THREADS`; 0 means one for each core.
    ///   - passedOver: is told, with `auto`, which engines do not work there.
    /// - Throws: `EngineUnusable` where the engine that was asked for does not work there; `EngineRefused`; `SystemError` where that
    ///   can not be found out now.
    package func engine(
        mount: CInt, threads: Int, passedOver: (EngineUnusable) -> Void = { _ in }
    ) throws -> any CloneEngine {
        try JuiceFSMount.refuseWriteback(holding: mount)
        return try engine(mount: mount, engines: candidates(threads: threads), passedOver: passedOver)
    }

    func engine(
        mount: CInt, engines: [any CloneEngine], passedOver: (EngineUnusable) -> Void = { _ in }
    ) throws -> any CloneEngine {
        var last: EngineUnusable?
        for engine in engines {
            if let last { passedOver(last) }
            do {
                try engine.probe(mount: mount)
                return engine
            } catch let refused as EngineRefused {
                throw refused
            } catch let error as SystemError where Self.momentary.contains(error.errno) {
                throw error
            } catch {
                last = EngineUnusable(engine: engine.name, cause: String(describing: error))
            }
        }
        throw last ?? EngineUnusable(engine: rawValue, cause: "there is no such engine")
    }

    /// What a file system says that is full, failing or not there, and a kernel that is short of something: nothing about what works
    /// there at other times.
    private static let momentary: Set<CInt> = [
        ENOSPC, EDQUOT, EROFS, EIO, ENOTCONN, ESTALE, ETIMEDOUT, EMFILE, ENFILE, ENOMEM, EAGAIN,
    ]

    private func candidates(threads: Int) -> [any CloneEngine] {
        switch self {
        case .auto: Self.allCases.filter { $0 != .auto }.flatMap { $0.candidates(threads: threads) }
        case .juicefs: [JuiceFSEngine(threads: threads)]
        case .btrfs: [BtrfsEngine(threads: threads)]
        case .reflink: [TreeWalkEngine.reflink(threads: threads)]
        case .copy: [TreeWalkEngine.copy(threads: threads)]
        }
    }
}

/// An engine does not work on a file system.
package struct EngineUnusable: Error, Equatable, CustomStringConvertible {
    package let engine: String
    package let cause: String

    package var description: String { "the engine \(engine) does not work on this file system: \(cause)" }
}

/// What is mounted there is not to be cloned, by whatever engine: `auto` does not look for another.
package struct EngineRefused: Error, Equatable, CustomStringConvertible {
    package let engine: String
    package let cause: String

    package var description: String { "refused by the engine \(engine): \(cause)" }
}
