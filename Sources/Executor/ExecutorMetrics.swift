package import Runtime
import RuntimeCore

/// What wvs-executor counts (seeds 09, design 9).
package struct ExecutorMetrics: Sendable {
    let cloneDuration: Histogram
    let cloneEntries: Counter
    let cloneFailures: Counter
    let quiesceWait: Histogram
    let quiesceTimeouts: Counter
    let quiesceBroken: Counter
    let freezeWindow: Histogram
    let switchDuration: Histogram
    let activeTasks: Gauge
    let trashFolders: Gauge
    let trashRemovedEntries: Counter

    package init(_ registry: MetricsRegistry, executorID: String) {
        let seconds = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30]
        // A handshake takes some 0.5 ms on a local file system, a freeze 1 to 15 ms.
        let short = [0.00025, 0.0005, 0.001, 0.0015, 0.002, 0.003, 0.005, 0.0075, 0.01, 0.015] + seconds
        let long = [0.0005, 0.001, 0.0025, 0.005, 0.01] + seconds + [60, 300]
        cloneDuration = registry.histogram(
            .cloneDurationSeconds, "Time to clone one tree.", labels: [.op], buckets: long)
        cloneEntries = registry.counter(.cloneEntriesTotal, "Entries of cloned trees.", labels: [.op])
        cloneFailures = registry.counter(.cloneFailTotal, "Clones that failed or were given up.", labels: [.reason])
        quiesceWait = registry.histogram(
            .quiesceWaitSeconds, "Time from REQUEST_FREEZE to FROZEN.", buckets: short)
        quiesceTimeouts = registry.counter(
            .quiesceTimeoutTotal, "Freezes that not every sidecar acknowledged in time.")
        quiesceBroken = registry.counter(.quiesceBrokenTotal, "Freezes that were not held to the end.")
        freezeWindow = registry.histogram(
            .freezeWindowSeconds, "Time that agents stood still.", labels: [.op], buckets: short)
        switchDuration = registry.histogram(
            .switchDurationSeconds, "Time to replace the current link.", buckets: [0.0001] + short)
        activeTasks = registry.gauge(.executorActiveTasks, "Tasks under way.")
        trashFolders = registry.gauge(.trashFolders, "Folders whose dropped trees are being removed, or wait for it.")
        trashRemovedEntries = registry.counter(
            .trashRemovedEntriesTotal, "Entries of dropped trees that are removed, as it goes on.")
        let info = registry.gauge(
            .buildInfo, "Always 1; version and executor are in the labels.", labels: [.version, .executorID])
        info.set(1, Version.current, executorID)
    }
}
