extension Command {
    static let obsQuiesce = Command(
        "obs", "quiesce", "how long agents stand still, and which freezes failed", positionals: [],
        options: Observation.options, example: "obs quiesce"
    ) { invocation throws(CommandError) in
        let obs = try Observation(invocation, of: "wvs_quiesce_wait_seconds_count")
        let waits = obs.rise("wvs_quiesce_wait_seconds_count")
        let timeouts = obs.rise("wvs_quiesce_timeout_total")
        func freeze(_ quantile: Double, _ op: String) throws(CommandError) -> Double? {
            try obs.numbers(obs.quantile(quantile, "wvs_freeze_window_seconds", by: "op"), by: "op")[op]
        }
        obs.show([
            ("freezes", try obs.number(waits), .count),
            ("timeouts", try obs.number(timeouts), .count),
            ("timeout_rate", try obs.number("\(timeouts) / (\(timeouts) + \(waits))"), .ratio),
            ("broken", try obs.number(obs.rise("wvs_quiesce_broken_total")), .count),
            ("wait_p50_ms", try obs.number(obs.quantile(0.5, "wvs_quiesce_wait_seconds")), .milliseconds),
            ("wait_p95_ms", try obs.number(obs.quantile(0.95, "wvs_quiesce_wait_seconds")), .milliseconds),
            ("snapshot_frozen_p50_ms", try freeze(0.5, "snapshot_create"), .milliseconds),
            ("snapshot_frozen_p95_ms", try freeze(0.95, "snapshot_create"), .milliseconds),
            ("set_current_frozen_p50_ms", try freeze(0.5, "set_current"), .milliseconds),
            ("set_current_frozen_p95_ms", try freeze(0.95, "set_current"), .milliseconds),
        ])
    }
}
