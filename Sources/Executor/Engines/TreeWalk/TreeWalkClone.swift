import RuntimeCore

/// A tree walk between its two phases.
final class TreeWalkClone: TwoPhaseClone {
    typealias Walk = (SecondPhase, CloneProgress, Cancellation) throws -> TwoPhaseSummary

    let entries: Int
    let doubtful: Int
    private let roots: CloneRoots
    private let capture: DirectoryCapture
    private let walk: Walk

    /// - Parameter walk: the second phase; runs while the roots are open.
    init(roots: CloneRoots, capture: DirectoryCapture, entries: Int, doubtful: Int, walk: @escaping Walk) {
        self.roots = roots
        self.capture = capture
        self.entries = entries
        self.doubtful = doubtful
        self.walk = walk
    }

    func finish(
        openFiles: Set<UInt64>, trash: String, progress: CloneProgress, cancellation: Cancellation
    ) throws -> TwoPhaseSummary {
        try cancellation.check()
        progress.restart()
        let aside = TrashFolder(roots.folder, prefix: trash)
        return try walk(SecondPhase(known: capture, openFiles: openFiles, aside: aside), progress, cancellation)
    }
}
