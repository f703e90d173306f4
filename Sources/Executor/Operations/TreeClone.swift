import ExecutorRPC
private import Glibc
import RuntimeCore

/// One clone with the mount's engine: shows its progress, counts it.
///
/// In three steps, so that agents stand still for the second one at most: `prepare`, `run`, `complete`.
struct TreeClone {
    /// A tree by the folder it is in and its name.
    struct Place {
        let folder: Directory
        let name: String
    }

    struct Outcome {
        let engine: String
        let entries: UInt64
        let bytes: UInt64
    }

    let source: Place
    let target: Place
    private let purpose: ClonePurpose
    let engine: any CloneEngine
    let attempt: Attempt
    let metrics: ExecutorMetrics
    let op: String

    /// Finds the engine. To be made before a freeze: the first time the engine is tried on the mount.
    init(
        of source: Place, as purpose: ClonePurpose, _ target: Place, op: String, attempt: Attempt,
        context: OperationContext
    ) throws {
        self.source = source
        self.target = target
        self.purpose = purpose
        engine = try context.engines.engine(for: target.folder).engine(toClone: source.name, in: source.folder.raw)
        metrics = context.metrics
        self.attempt = attempt
        self.op = op
    }

    /// Whether the clone is on disk once `complete` has returned.
    var isDurable: Bool { engine.promises.isDurable }

    func prepare() throws {
        try counting {
            try engine.prepare(from: source.folder.raw, source.name, cancellation: attempt.cancellation)
        }
    }

    /// Writes back what agents have written, so that a clone while they stand still need not wait for the disk. (An engine of
    /// constant time does so in `prepare`.)
    func syncSource() throws {
        if !engine.promises.isConstantTime { try source.folder.syncLocalFileSystem(attempt.cancellation) }
    }

    /// Clones. What fails or is cancelled is left to the caller, who moves it to the trash: removing it here would keep an
    /// agent frozen that much longer.
    ///
    /// - Parameter entries: how many there are to clone; nil where that is not known.
    /// - Returns: what the engine counted; nil where it does not look at entries.
    func run(entries: UInt64? = nil) throws -> CloneSummary? {
        attempt.progress.cloned.restart()
        attempt.progress.enterCloning(of: entries)
        return try counting {
            let start = MonotonicTime.now
            let counted = try engine.clone(
                from: source.folder.raw, source.name, to: target.folder.raw, target.name, as: purpose,
                onFailure: .leave, progress: attempt.progress.cloned, cancellation: attempt.cancellation)
            metrics.cloneDuration.observe(MonotonicTime.now - start, op)
            return counted
        }
    }

    /// - Parameter counted: what `run` answered, or what is known of the source.
    func complete(_ counted: CloneSummary?) throws -> Outcome {
        try counting {
            let summary = try engine.complete(
                in: target.folder.raw, target.name, as: purpose, counted: counted, cancellation: attempt.cancellation)
            metrics.cloneEntries.add(Double(summary.entries), op)
            return Outcome(engine: engine.name, entries: UInt64(summary.entries), bytes: UInt64(summary.bytes))
        }
    }

    func counting<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            metrics.cloneFailures.add(1, Self.reason(error))
            throw error
        }
    }

    /// A few fixed words: it is a label.
    private static func reason(_ error: any Error) -> String {
        if error is CancellationError { return "canceled" }
        if error is NestedSubvolumes { return "nested_subvolumes" }
        return switch (error as? SystemError)?.errno {
        case ENOSPC: "no_space"
        case EDQUOT: "quota"
        case EROFS: "read_only"
        case EIO: "io"
        default: "other"
        }
    }
}
