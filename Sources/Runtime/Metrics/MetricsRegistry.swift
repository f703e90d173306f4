private import RuntimeCore

/// All metrics of a program, in the Prometheus text format 0.0.4.
///
/// Metrics are made once at start; a second one of the same name is a programmer's error.
package final class MetricsRegistry: Sendable {
    private struct State {
        var metrics: [any Metric] = []
    }

    private let state = Mutex(State())

    package init() {}

    package func counter(_ name: MetricName, _ help: String, labels: [MetricLabel] = []) -> Counter {
        register(Counter(name, help, labels: labels))
    }

    package func gauge(_ name: MetricName, _ help: String, labels: [MetricLabel] = []) -> Gauge {
        register(Gauge(name, help, labels: labels))
    }

    /// - Parameter buckets: upper bounds in ascending order, in the metric's unit; `+Inf` is added.
    package func histogram(_ name: MetricName, _ help: String, labels: [MetricLabel] = [], buckets: [Double])
        -> Histogram
    {
        register(Histogram(name, help, labels: labels, buckets: buckets))
    }

    /// The content of `/metrics`.
    package func render() -> String {
        let metrics = state.withLock { $0.metrics }
        var text = ""
        for metric in metrics {
            text += "# HELP \(metric.name.rawValue) \(metric.help)\n# TYPE \(metric.name.rawValue) \(metric.type)\n"
            metric.renderSamples(to: &text)
        }
        return text
    }

    /// What there is, without its values: a table of docs/metrics.md.
    package var markdown: String {
        var text = "| metric | type | labels | what it is |\n|---|---|---|---|\n"
        for metric in state.withLock({ $0.metrics }) {
            let labels = metric.labels.map { "`\($0.rawValue)`" }.joined(separator: ", ")
            let buckets = metric.buckets.map(metricNumber).joined(separator: ", ")
            text += "| `\(metric.name.rawValue)` | \(metric.type) | \(labels) | \(metric.help)"
            text += buckets.isEmpty ? " |\n" : " Buckets: \(buckets). |\n"
        }
        return text
    }

    private func register<Registered: Metric>(_ metric: Registered) -> Registered {
        state.withLock { state in
            precondition(!state.metrics.contains { $0.name == metric.name }, "metric \(metric.name) registered twice")
            state.metrics.append(metric)
        }
        return metric
    }
}

/// A metric's name, as seeds 09 and design 9 list them.
package enum MetricName: String, Sendable {
    case httpRequestsTotal = "wvs_http_requests_total"
    case httpRequestDurationSeconds = "wvs_http_request_duration_seconds"
    case activeRequests = "wvs_active_requests"
    case taskTotal = "wvs_task_total"
    case taskDurationSeconds = "wvs_task_duration_seconds"
    case taskQueueDepth = "wvs_task_queue_depth"
    case taskOldestAgeSeconds = "wvs_task_oldest_age_seconds"
    case taskRetryTotal = "wvs_task_retry_total"
    case lockWaitSeconds = "wvs_lock_wait_seconds"
    case dequeueEmptyTotal = "wvs_dequeue_empty_total"
    case workspaceStateTransitionsTotal = "wvs_workspace_state_transitions_total"
    case reapedTotal = "wvs_reaped_total"
    case purgeFailuresTotal = "wvs_snapshot_purge_failures_total"
    case cloneDurationSeconds = "wvs_clone_duration_seconds"
    case cloneEntriesTotal = "wvs_clone_entries_total"
    case cloneFailTotal = "wvs_clone_fail_total"
    case trashFolders = "wvs_trash_folders"
    case trashRemovedEntriesTotal = "wvs_trash_removed_entries_total"
    case quiesceWaitSeconds = "wvs_quiesce_wait_seconds"
    case quiesceTimeoutTotal = "wvs_quiesce_timeout_total"
    case quiesceBrokenTotal = "wvs_quiesce_broken_total"
    case freezeWindowSeconds = "wvs_freeze_window_seconds"
    case switchDurationSeconds = "wvs_switch_duration_seconds"
    case executorActiveTasks = "wvs_executor_active_tasks"
    case buildInfo = "wvs_build_info"
}

/// A label's name. Never a workspace: that would be one time series for each.
package enum MetricLabel: String, Sendable {
    case op, status, route, method, code, reason, from, to, version
    case executorID = "executor_id"
}

protocol Metric: Sendable {
    var name: MetricName { get }
    var help: String { get }
    var type: String { get }
    var labels: [MetricLabel] { get }
    /// Upper bounds; none but of a histogram.
    var buckets: [Double] { get }
    func renderSamples(to text: inout String)
}

extension Metric {
    var buckets: [Double] { [] }
}

/// The samples of one metric by label values.
struct LabeledSamples<Sample> {
    let labels: [MetricLabel]
    private(set) var samples: [[String]: Sample] = [:]
    private let initial: Sample

    init(labels: [MetricLabel], initial: Sample) {
        self.labels = labels
        self.initial = initial
        // A metric without labels exists from the start, with its zero.
        if labels.isEmpty { samples[[]] = initial }
    }

    mutating func update(_ values: [String], _ body: (inout Sample) -> Void) {
        precondition(values.count == labels.count, "a value for each of the labels \(labels)")
        let initial = self.initial
        body(&samples[values, default: initial])
    }

    /// Calls `body` for each sample in a stable order, with the labels as `op="x",status="y"`.
    func forEach(_ body: (_ labels: String, Sample) -> Void) {
        for (values, sample) in samples.sorted(by: { $0.key.lexicographicallyPrecedes($1.key) }) {
            body(zip(labels, values).map { "\($0.rawValue)=\"\(escaped($1))\"" }.joined(separator: ","), sample)
        }
    }

    private func escaped(_ value: String) -> String {
        value.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"").replacing("\n", with: "\\n")
    }
}

/// `12`, not `12.0`; both are allowed, the first is what people expect of a count.
func metricNumber(_ value: Double) -> String {
    value == value.rounded() && abs(value) < 1e15 ? String(Int64(value)) : String(value)
}

extension String {
    /// `name{labels} value`, braces only where there are labels.
    mutating func appendSample(_ name: String, _ labels: String, _ value: Double) {
        self += labels.isEmpty ? "\(name) \(metricNumber(value))\n" : "\(name){\(labels)} \(metricNumber(value))\n"
    }
}
