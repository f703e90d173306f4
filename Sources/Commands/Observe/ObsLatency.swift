extension Command {
    static let obsLatency = Command(
        "obs", "latency", "how long tasks take from their acceptance to their end, by operation", positionals: [],
        options: Observation.options, example: "obs latency"
    ) { invocation throws(CommandError) in
        let obs = try Observation(invocation, of: "wvs_task_duration_seconds_count")
        let histogram = "wvs_task_duration_seconds"
        let count = try obs.numbers(
            "sum(increase(\(histogram)_count[\(obs.window)])) by (op)", by: "op")
        func quantile(_ quantile: Double) throws(CommandError) -> [String: Double] {
            try obs.numbers(obs.quantile(quantile, histogram, by: "op"), by: "op")
        }
        obs.show(
            rows: count.keys.sorted(),
            [
                ("TASKS", "tasks", count, .count), ("P50", "p50_ms", try quantile(0.5), .milliseconds),
                ("P95", "p95_ms", try quantile(0.95), .milliseconds),
                ("P99", "p99_ms", try quantile(0.99), .milliseconds),
            ])
    }
}
