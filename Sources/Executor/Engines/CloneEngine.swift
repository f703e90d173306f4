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

    /// Clones the directory `source` of the open directory `from` as `target` into the open directory `to`, where that name
    /// must be free. Until the clone is complete its root is closed to everybody but the executor.
    ///
    /// Paths in errors are relative to the tree.
    ///
    /// - Parameter onFailure: what happens to an incomplete clone.
    /// - Throws: `CancellationError` within 100 ms of a cancellation, plus the time of a removal; `SystemError` with the path
    ///   of the entry, for example ENOSPC; `NestedMount`; `TreeChanged`.
    func clone(
        from: CInt, _ source: String, to: CInt, _ target: String, onFailure: PartialClone, progress: CloneProgress,
        cancellation: Cancellation
    ) throws -> CloneSummary

    /// Removes a tree, however it came into being; nothing of that name is no error.
    ///
    /// - Throws: `CancellationError`, and then what is left keeps its name; `SystemError`; `NestedMount`.
    func remove(in parent: CInt, _ name: String, progress: CloneProgress, cancellation: Cancellation) throws
}

/// What becomes of a clone that failed or was cancelled.
package enum PartialClone: Sendable {
    /// It is removed before the error is thrown.
    case remove
    /// It keeps its name: for a caller who has no time to lose and can move it out of the way.
    case leave
}

extension CloneEngine {
    /// As the other, and removes what it could not complete.
    package func clone(
        from: CInt, _ source: String, to: CInt, _ target: String, progress: CloneProgress = CloneProgress(),
        cancellation: Cancellation
    ) throws -> CloneSummary {
        try clone(
            from: from, source, to: to, target, onFailure: .remove, progress: progress, cancellation: cancellation)
    }
}

/// What may be relied on beyond a faithful copy.
package struct ClonePromises: Equatable, Sendable {
    /// The clone shows the source as of one instant, even while the source is written to.
    package let isAtomic: Bool
    /// It takes the same time whatever the size.
    package let isConstantTime: Bool

    package init(isAtomic: Bool, isConstantTime: Bool) {
        self.isAtomic = isAtomic
        self.isConstantTime = isConstantTime
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
