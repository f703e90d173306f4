import RuntimeCore

extension TreeClone {
    /// A clone whose first phase is done.
    struct FirstPhase {
        let clone: any TwoPhaseClone
        let duration: Duration
    }

    /// The first phase, while the agents work; nil where the engine or the file system knows no such thing.
    func begin() throws -> FirstPhase? {
        guard let engine = engine as? any TwoPhaseEngine, engine.canCloneInTwoPhases(source.folder.raw) else {
            return nil
        }
        attempt.progress.enterCloning(of: nil)
        return try counting {
            let start = MonotonicTime.now
            let clone = try engine.beginClone(
                from: source.folder.raw, source.name, to: target.folder.raw, target.name,
                progress: attempt.progress.cloned, cancellation: attempt.cancellation)
            return FirstPhase(clone: clone, duration: MonotonicTime.now - start)
        }
    }

    /// The second phase, while they stand still.
    func finish(_ first: FirstPhase, openFiles: Set<UInt64>, trash: String) throws -> CloneSummary {
        attempt.progress.enterUpdating(of: UInt64(first.clone.entries))
        return try counting {
            let start = MonotonicTime.now
            let summary = try first.clone.finish(
                openFiles: openFiles, trash: trash, progress: attempt.progress.cloned,
                cancellation: attempt.cancellation)
            let duration = MonotonicTime.now - start
            metrics.cloneDuration.observe(first.duration + duration, op)
            attempt.logger.info(
                "cloned in two phases",
                [
                    .firstPhaseMilliseconds: .number(first.duration.milliseconds),
                    .secondPhaseMilliseconds: .number(duration.milliseconds),
                    .entries: .integer(Int64(summary.clone.entries)), .renewed: .integer(Int64(summary.renewed)),
                    .removed: .integer(Int64(summary.removed)), .doubtful: .integer(Int64(first.clone.doubtful)),
                ])
            return summary.clone
        }
    }
}
