extension Command {
    static let obsSummary = Command(
        "obs", "summary", "how the service does: success, speed, queue, freezes", positionals: [],
        options: Observation.options, example: "obs summary --since 24h"
    ) { invocation throws(CommandError) in
        let obs = try Observation(invocation, of: "wvs_task_total")
        let ended = obs.rise("wvs_task_total", #"status=~"SUCCEEDED|DEAD|CANCELED""#)
        let succeeded = obs.rise("wvs_task_total", #"status="SUCCEEDED""#)
        obs.show([
            ("task_success_rate", try obs.number("\(succeeded) / \(ended)"), .ratio),
            ("tasks_ended", try obs.number(ended), .count),
            ("tasks_dead", try obs.number(obs.rise("wvs_task_total", #"status="DEAD""#)), .count),
            ("task_latency_p50_ms", try obs.number(obs.quantile(0.5, "wvs_task_duration_seconds")), .milliseconds),
            ("task_latency_p95_ms", try obs.number(obs.quantile(0.95, "wvs_task_duration_seconds")), .milliseconds),
            ("queue_depth", try obs.number("max(wvs_task_queue_depth)"), .count),
            ("quiesce_timeouts", try obs.number(obs.rise("wvs_quiesce_timeout_total")), .count),
            ("quiesce_broken", try obs.number(obs.rise("wvs_quiesce_broken_total")), .count),
            ("freeze_window_p95_ms", try obs.number(obs.quantile(0.95, "wvs_freeze_window_seconds")), .milliseconds),
        ])
    }
}
