package import RuntimeCore

/// An engine that can do most of a clone while the tree is written to, so that its agent need stand still only for what has
/// changed since (design 8).
package protocol TwoPhaseEngine: CloneEngine {
    /// Whether the file system of an open directory moves the ctime of a file with every change, also those through a mapping.
    func canCloneInTwoPhases(_ directory: CInt) -> Bool

    /// The first phase: clones what there is, as `clone` does, and remembers what it saw. An entry that vanishes or becomes
    /// something else meanwhile is left out; the root stays closed to everybody but the executor.
    ///
    /// - Throws: as `clone`, and leaves the incomplete clone to the caller.
    func beginClone(
        from: CInt, _ source: String, to: CInt, _ target: String, progress: CloneProgress, cancellation: Cancellation
    ) throws -> any TwoPhaseClone
}

/// A clone whose first phase is done.
package protocol TwoPhaseClone: AnyObject {
    /// How many entries it has so far.
    var entries: Int { get }
    /// How many of them the second phase has to clone again even if nothing changes any more: they changed too shortly before
    /// they were cloned.
    var doubtful: Int { get }

    /// The second phase, while nobody writes to the tree: makes the clone equal to it. Not to be called twice.
    ///
    /// - Parameters:
    ///   - openFiles: inode numbers of what was open for writing or mapped shared; cloned again in any case.
    ///   - trash: what begins the names under which trees that are in the way are moved beside the clone, for the caller to
    ///     remove.
    /// - Throws: as `CloneEngine.clone`, and leaves the incomplete clone to the caller.
    func finish(
        openFiles: Set<UInt64>, trash: String, progress: CloneProgress, cancellation: Cancellation
    ) throws -> TwoPhaseSummary
}

/// What a clone in two phases came to.
package struct TwoPhaseSummary: Equatable, Sendable {
    package let clone: CloneSummary
    /// Entries that the second phase cloned.
    package let renewed: Int
    /// Entries of the first phase that the second took away; a directory counts once.
    package let removed: Int

    package init(clone: CloneSummary, renewed: Int, removed: Int) {
        self.clone = clone
        self.renewed = renewed
        self.removed = removed
    }
}
