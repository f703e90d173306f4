package import RuntimeCore

/// A way to clone directory trees within one file system (design 8).
///
/// Every call blocks until it is done; run it on a `BlockingPool`.
package protocol CloneEngine: Sendable {
    /// As `EXECUTOR_ENGINE`, manifests and metrics have it.
    var name: String { get }
    var promises: ClonePromises { get }

    /// Tries the engine in a directory, without leaving anything there.
    ///
    /// - Throws: why it can not work there.
    func probe(mount: CInt) throws

    /// The engine that clones this tree: another one where it was made in a way that this engine can not clone.
    func engine(toClone source: String, in parent: CInt) throws -> any CloneEngine

    /// Makes an empty tree that this engine can clone, open to nobody but the executor; the name must be free.
    func makeTree(in parent: CInt, _ name: String) throws

    /// Does what can be done while agents still work in `source`, so that `clone` takes less time: they may stand still then.
    ///
    /// - Throws: `CancellationError`; whatever would make `clone` fail and is seen already.
    func prepare(from parent: CInt, _ source: String, cancellation: Cancellation) throws

    /// Clones the directory `source` of the open directory `from` as `target` into the open directory `to`, where that name
    /// must be free. Until the clone is complete its root is closed to everybody but the executor.
    ///
    /// Paths in errors are relative to the tree.
    ///
    /// - Parameter onFailure: what happens to an incomplete clone.
    /// - Returns: what was counted; nil where this engine does not look at entries.
    /// - Throws: `CancellationError` within 100 ms of a cancellation, plus the time of a removal; `SystemError` with the path
    ///   of the entry, for example ENOSPC; `NestedMount`; `NestedSubvolumes`; `TreeChanged`; `JuiceFSFailed`.
    func clone(
        from: CInt, _ source: String, to: CInt, _ target: String, as purpose: ClonePurpose, onFailure: PartialClone,
        progress: CloneProgress, cancellation: Cancellation
    ) throws -> CloneSummary?

    /// Does to a clone what can wait until agents work again: checks it, and makes a snapshot read-only where the file system
    /// can. To be called once, before the clone is published.
    ///
    /// - Parameter counted: what `clone` has answered, or the caller knows of the source.
    func complete(
        in parent: CInt, _ target: String, as purpose: ClonePurpose, counted: CloneSummary?, cancellation: Cancellation
    ) throws -> CloneSummary

    /// Removes a tree, however it came into being; nothing of that name is no error. On one thread, since it is done while
    /// others wait for clones.
    ///
    /// - Throws: `CancellationError`, and then what is left keeps its name; `SystemError`; `NestedMount`.
    func remove(in parent: CInt, _ name: String, progress: CloneProgress, cancellation: Cancellation) throws
}

/// What a clone is made for.
package enum ClonePurpose: Sendable {
    /// Nobody is to write to it.
    case snapshot
    /// An agent is to work in it.
    case live
}

/// What becomes of a clone that failed or was cancelled.
package enum PartialClone: Sendable {
    /// It is removed before the error is thrown.
    case remove
    /// It keeps its name: for a caller who has no time to lose and can move it out of the way.
    case leave
}

extension CloneEngine {
    package func engine(toClone source: String, in parent: CInt) throws -> any CloneEngine { self }

    package func prepare(from parent: CInt, _ source: String, cancellation: Cancellation) throws {}

    package func complete(
        in parent: CInt, _ target: String, as purpose: ClonePurpose, counted: CloneSummary?, cancellation: Cancellation
    ) throws -> CloneSummary {
        try counted ?? TreeCount.count(in: parent, target, cancellation: cancellation)
    }

    /// All steps of a clone, one after the other; what can not be completed is removed.
    package func clone(
        from: CInt, _ source: String, to: CInt, _ target: String, as purpose: ClonePurpose = .live,
        progress: CloneProgress = CloneProgress(), cancellation: Cancellation
    ) throws -> CloneSummary {
        let engine = try engine(toClone: source, in: from)
        try engine.prepare(from: from, source, cancellation: cancellation)
        let counted = try engine.clone(
            from: from, source, to: to, target, as: purpose, onFailure: .remove, progress: progress,
            cancellation: cancellation)
        do {
            return try engine.complete(
                in: to, target, as: purpose, counted: counted, cancellation: cancellation)
        } catch {
            try engine.remove(in: to, target, progress: CloneProgress(), cancellation: Cancellation())
            throw error
        }
    }
}

/// What may be relied on beyond a faithful copy.
package struct ClonePromises: Equatable, Sendable {
    /// The clone shows the source as of one instant, even while the source is written to.
    package let isAtomic: Bool
    /// It takes the same time whatever the size.
    package let isConstantTime: Bool
    /// It survives a crash of the machine without being synced.
    package let isDurable: Bool

    package init(isAtomic: Bool, isConstantTime: Bool, isDurable: Bool = false) {
        self.isAtomic = isAtomic
        self.isConstantTime = isConstantTime
        self.isDurable = isDurable
    }
}

/// What a clone consists of.
package struct CloneSummary: Equatable, Sendable {
    /// Files, directories, links and the rest below the root, which is not counted; each name of a hard link counts.
    package let entries: Int
    /// Sizes of its regular files, each file once however many names it has.
    package let bytes: Int64

    package init(entries: Int, bytes: Int64) {
        self.entries = entries
        self.bytes = bytes
    }
}

/// A file system is mounted inside a tree; nothing crosses into it.
package struct NestedMount: Error, Equatable, CustomStringConvertible {
    package let path: String

    package init(path: String) { self.path = path }

    package var description: String { "\(path) is a mount point: a workspace must lie on one file system" }
}
