import ExecutorRPC
private import Glibc
import RuntimeCore

/// One clone with the mount's engine: shows its progress, counts it.
struct TreeClone {
    struct Outcome {
        let engine: String
        let entries: UInt64
        let bytes: UInt64
    }

    private let engine: any CloneEngine
    private let attempt: Attempt
    private let metrics: ExecutorMetrics
    private let op: String

    /// Finds the engine. To be made before a freeze: the first time the engine is tried on the mount.
    init(into folder: Directory, op: String, attempt: Attempt, context: OperationContext) throws {
        engine = try context.engines.engine(for: folder)
        metrics = context.metrics
        self.attempt = attempt
        self.op = op
    }

    /// Clones `source` of one folder as `target` of another. What fails or is cancelled is left to the caller, who moves it to
    /// the trash: removing it here would keep an agent frozen that much longer.
    ///
    /// - Parameter entries: how many there are to clone; nil where that is not known.
    func run(from: Directory, _ source: String, to: Directory, _ target: String, entries: UInt64? = nil) throws
        -> Outcome
    {
        let start = MonotonicTime.now
        attempt.progress.enterCloning(of: entries)
        do {
            let summary = try engine.clone(
                from: from.raw, source, to: to.raw, target, onFailure: .leave, progress: attempt.progress.cloned,
                cancellation: attempt.cancellation)
            metrics.cloneDuration.observe(MonotonicTime.now - start, op)
            metrics.cloneEntries.add(Double(summary.entries), op)
            return Outcome(engine: engine.name, entries: UInt64(summary.entries), bytes: UInt64(summary.bytes))
        } catch {
            metrics.cloneFailures.add(1, Self.reason(error))
            throw error
        }
    }

    /// A few fixed words: it is a label.
    private static func reason(_ error: any Error) -> String {
        if error is CancellationError { return "canceled" }
        return switch (error as? SystemError)?.errno {
        case ENOSPC: "no_space"
        case EDQUOT: "quota"
        case EROFS: "read_only"
        case EIO: "io"
        default: "other"
        }
    }
}
