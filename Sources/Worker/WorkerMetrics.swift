package import Runtime
import RuntimeCore

/// What a worker counts (seeds 09, design 9).
package struct WorkerMetrics: Sendable {
    let tasks: Counter
    let taskDuration: Histogram
    let queueDepth: Gauge
    let oldestAge: Gauge
    let retries: Counter
    let lockWait: Histogram
    let emptyDequeues: Counter
    let stateTransitions: Counter
    let reaped: Counter
    let purgeFailures: Counter

    package init(_ registry: MetricsRegistry) {
        tasks = registry.counter(
            .taskTotal, "Attempts that ended, by what became of the task.", labels: [.op, .status])
        taskDuration = registry.histogram(
            .taskDurationSeconds, "Time from the acceptance of a task to its end.", labels: [.op],
            buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600])
        queueDepth = registry.gauge(.taskQueueDepth, "Tasks that wait to be run, first or again.")
        oldestAge = registry.gauge(.taskOldestAgeSeconds, "Age of the oldest task that waits.")
        retries = registry.counter(.taskRetryTotal, "Failed attempts that will be repeated.", labels: [.op])
        lockWait = registry.histogram(
            .lockWaitSeconds, "Time spent waiting for a workspace's advisory lock.",
            buckets: [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5])
        emptyDequeues = registry.counter(.dequeueEmptyTotal, "Looks at the queue that found nothing to run.")
        stateTransitions = registry.counter(
            .workspaceStateTransitionsTotal, "Workspaces that went from one state to another.", labels: [.from, .to])
        reaped = registry.counter(.reapedTotal, "Running tasks taken over from workers that were lost.")
        purgeFailures = registry.counter(
            .purgeFailuresTotal, "Deletions of dropped snapshots' directories that failed; they are repeated.")
        registry.gauge(.buildInfo, "Always 1; the version is in the label.", labels: [.version])
            .set(1, Version.current)
    }
}
