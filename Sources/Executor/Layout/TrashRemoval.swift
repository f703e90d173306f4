import RuntimeCore

/// Tells how far the removal of one tree is.
final class TrashRemoval: Sendable {
    private static let pace = Duration.seconds(10)

    private let path: String
    private let metrics: ExecutorMetrics
    private let logger: Logger
    private let start = MonotonicTime.now
    /// Entries that the metric has been told of, and when the log speaks again.
    private let told: Mutex<(entries: Int, next: MonotonicTime)>

    init(path: String, metrics: ExecutorMetrics, logger: Logger) {
        self.path = path
        self.metrics = metrics
        self.logger = logger
        told = Mutex((entries: 0, next: start + Self.pace))
    }

    func run(_ remove: (CloneProgress) throws -> Void) throws {
        let counted = Mutex<CloneProgress?>(nil)
        let progress = CloneProgress { [self] in
            if let progress = counted.withLock({ $0 }) { tell(progress.entries) }
        }
        counted.withLock { $0 = progress }
        defer {
            counted.withLock { $0 = nil }
            tell(progress.entries)
        }
        try remove(progress)
        logger.info("trash removed", fields(progress.entries))
    }

    private func tell(_ entries: Int) {
        let isDue = told.withLock { told in
            metrics.trashRemovedEntries.add(Double(entries - told.entries))
            told.entries = entries
            guard MonotonicTime.now >= told.next else { return false }
            told.next = .now + Self.pace
            return true
        }
        if isDue { logger.info("removing trash", fields(entries)) }
    }

    private func fields(_ entries: Int) -> KeyValuePairs<LogKey, LogValue> {
        [
            .path: .text(path), .entries: .integer(Int64(entries)),
            .durationMilliseconds: .number((MonotonicTime.now - start).milliseconds),
        ]
    }
}
