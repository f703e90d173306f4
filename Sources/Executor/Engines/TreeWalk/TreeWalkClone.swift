import RuntimeCore

/// A tree walk between its two phases.
final class TreeWalkClone: TwoPhaseClone {
    typealias Finish = (SecondPhase, DirectoryPair, CloneProgress, Cancellation) throws -> TwoPhaseSummary

    let entries: Int
    let doubtful: Int
    private let roots: CloneRoots
    private let capture: DirectoryCapture
    private let finish: Finish

    /// - Parameters:
    ///   - first: the walk of the first phase, done.
    ///   - capture: what it remembers.
    ///   - finish: does the second.
    init(_ first: CloneWalk, roots: CloneRoots, capture: DirectoryCapture, finish: @escaping Finish) {
        entries = first.summary.entries
        doubtful = first.doubtful
        self.roots = roots
        self.capture = capture
        self.finish = finish
    }

    func finish(
        openFiles: Set<UInt64>, trash: String, progress: CloneProgress, cancellation: Cancellation
    ) throws -> TwoPhaseSummary {
        try cancellation.check()
        progress.restart()
        let aside = TrashFolder(roots.folder, prefix: trash)
        let second = SecondPhase(known: capture, openFiles: openFiles, aside: aside)
        return try roots.lend { base in try finish(second, base, progress, cancellation) }
    }
}
