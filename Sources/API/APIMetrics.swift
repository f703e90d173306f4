package import Runtime
import Model
import RuntimeCore

/// What wvs-api counts (seeds 09, design 9).
package struct APIMetrics: Sendable {
    let requests: Counter
    let requestDuration: Histogram
    let activeRequests: Gauge
    let tasks: Counter
    let stateTransitions: Counter

    package init(_ registry: MetricsRegistry) {
        requests = registry.counter(
            .httpRequestsTotal, "HTTP requests answered.", labels: [.route, .method, .code])
        requestDuration = registry.histogram(
            .httpRequestDurationSeconds, "Time from a whole request to its answer, waits asked for included.",
            labels: [.route, .method],
            buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60])
        activeRequests = registry.gauge(.activeRequests, "HTTP requests being answered.")
        tasks = registry.counter(
            .taskTotal, "Tasks that were canceled while they waited; those that ran are the worker's.",
            labels: [.op, .status])
        stateTransitions = registry.counter(
            .workspaceStateTransitionsTotal, "Workspaces that a request brought from one state to another.",
            labels: [.from, .to])
        registry.gauge(.buildInfo, "Always 1; the version is in the label.", labels: [.version])
            .set(1, Version.current)
    }

    /// A workspace's new state, once it is committed.
    func count(_ from: WorkspaceState, to state: WorkspaceState) {
        stateTransitions.add(1, from.rawValue, state.rawValue)
    }
}
