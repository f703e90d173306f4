import RuntimeCore
import Store

extension TaskEngine {
    /// Runs `body` every `interval`, first after one, until the engine stops. Cancelling interrupts `body`, too.
    func repeating(every interval: Duration, until stop: WakeUp, _ body: @Sendable () async -> Void) async {
        while !isStopping.withLock({ $0 }), !Task.isCancelled {
            await stop.sleep(atMost: interval)
            if !isStopping.withLock({ $0 }) { await body() }
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
                if !tasks.isEmpty { Failpoint.hit("worker.take_over.after_commit") }
                for task in tasks { start(task, askedAt: askedAt, takenOver: true) }
            } catch {
                if Task.isCancelled { return }
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
                if try await delete(purge) {
                    Failpoint.hit("worker.purge.after_delete")
                    try await ledger.markPurged(purge.snapshot.snapshotID)
                } else {
                    metrics.purgeFailures.add()
                }
            }
        } catch {
            if Task.isCancelled { return }
            logger.warn("dropped snapshots not looked at", [.error: LogValue(error)])
        }
    }

    /// Under a higher fence where the executor knows one.
    private func delete(_ purge: Purge) async throws -> Bool {
        switch await executors.delete(purge, logger: logger) {
        case .done: return true
        case .failed: return false
        case .fenced(let floor):
            guard let fence = try await ledger.raisePurgeFence(of: purge.snapshot.wsid, above: floor) else {
                return false
            }
            let again = Purge(snapshot: purge.snapshot, fence: fence)
            if case .done = await executors.delete(again, logger: logger) { return true }
            return false
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
