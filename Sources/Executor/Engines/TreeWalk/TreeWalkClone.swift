import RuntimeCore

/// A tree walk between its two phases.
final class TreeWalkClone: TwoPhaseClone {
    typealias Finish = (SecondPhase, DirectoryPair, CloneProgress, Cancellation) throws -> TwoPhaseSummary

    let entries: Int
    let doubtful: Int
    private let roots: CloneRoots
    private let mounts: MountEvents
    private let capture: DirectoryCapture
    private let finish: Finish

    /// - Parameters:
    ///   - first: the walk of the first phase, done.
    ///   - capture: what it remembers.
    ///   - mounts: made before it.
    ///   - finish: does the second.
    init(
        _ first: CloneWalk, roots: CloneRoots, capture: DirectoryCapture, mounts: consuming MountEvents,
        finish: @escaping Finish
    ) {
        entries = first.summary.entries
        doubtful = first.doubtful
        self.roots = roots
        self.capture = capture
        self.mounts = mounts
        self.finish = finish
    }

    func finish(
        openFiles: Set<UInt64>, trash: String, progress: CloneProgress, cancellation: Cancellation
    ) throws -> TwoPhaseSummary {
        try cancellation.check()
        progress.restart()
        let aside = TrashFolder(roots.folder, prefix: trash)
        var second = SecondPhase(known: capture, openFiles: openFiles, aside: aside)
        if try mounts.haveCome() {
            // What is open still leads below whatever was mounted over it.
            second.trustsKept = false
            try roots.checkSource()
        }
        return try roots.lend { base in try finish(second, base, progress, cancellation) }
    }
}
