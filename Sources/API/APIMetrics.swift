package import Runtime
import RuntimeCore

/// What wvs-api counts (seeds 09, design 9).
package struct APIMetrics: Sendable {
    let requests: Counter
    let requestDuration: Histogram
    let activeRequests: Gauge

    package init(_ registry: MetricsRegistry) {
        requests = registry.counter(
            .httpRequestsTotal, "HTTP requests answered.", labels: [.route, .method, .code])
        requestDuration = registry.histogram(
            .httpRequestDurationSeconds, "Time from a whole request to its answer, waits asked for included.",
            labels: [.route, .method],
            buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60])
        activeRequests = registry.gauge(.activeRequests, "HTTP requests being answered.")
        registry.gauge(.buildInfo, "Always 1; the version is in the label.", labels: [.version])
            .set(1, Version.current)
    }
}
