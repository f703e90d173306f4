import RuntimeCore
import Store

extension TaskEngine {
    /// Runs `body` every `interval`, first after one, until cancelled. `body` itself is not interrupted.
    func repeating(every interval: Duration, _ body: @escaping @Sendable () async -> Void) async {
        while true {
            do { try await Task.sleep(for: interval) } catch { return }
            await Task { await body() }.value
        }
    }

    /// Takes over tasks of workers that were lost.
    func reaper() -> @Sendable () async -> Void {
        // Half a lease is one and a half renewal periods.
        let watch = Mutex(SilenceWatch(patience: options.lease / 2))
        return { [self] in
            do {
                let silent = try await ledger.silent()
                let abandoned = watch.withLock { $0.observe(silent, at: .now) }
                // What was left behind goes before new work, but is bounded too.
                let room = 2 * options.concurrency - held.count
                guard room > 0 else { return }
                let askedAt = MonotonicTime.now
                let tasks = try await ledger.takeOver(limit: room, abandoned: abandoned)
                metrics.reaped.add(Double(tasks.count))
                for task in tasks { start(task, askedAt: askedAt, takenOver: true) }
            } catch {
                watch.withLock { $0.reset() }
                logger.warn("no look for lost tasks", [.error: LogValue(error)])
            }
        }
    }

    /// Deletes the directories of dropped snapshots that are still there.
    func purge() async {
        do {
            for purge in try await ledger.claimPurges(workspaces: options.concurrency) {
                if isStopping.withLock({ $0 }) { return }
                if await executors.delete(purge, logger: logger) {
                    try await ledger.markPurged(purge.snapshot.snapshotID)
                } else {
                    metrics.purgeFailures.add()
                }
            }
        } catch {
            logger.warn("dropped snapshots not looked at", [.error: LogValue(error)])
        }
    }

    func measure() async {
        do {
            let backlog = try await ledger.backlog()
            metrics.queueDepth.set(Double(backlog.depth))
            metrics.oldestAge.set(backlog.oldest.seconds)
        } catch {
            logger.debug("queue not measured", [.error: LogValue(error)])
        }
    }
}
