extension Command {
    static let obsQueue = Command(
        "obs", "queue", "how much waits, for how long, and what had to be repeated", positionals: [],
        options: Observation.options, example: "obs queue"
    ) { invocation throws(CommandError) in
        let obs = try Observation(invocation, of: "wvs_task_queue_depth")
        obs.show([
            ("queue_depth", try obs.number("max(wvs_task_queue_depth)"), .count),
            ("queue_depth_max", try obs.number("max(max_over_time(wvs_task_queue_depth[\(obs.window)]))"), .count),
            ("oldest_task_age_s", try obs.number("max(wvs_task_oldest_age_seconds)"), .seconds),
            ("running_tasks", try obs.number("sum(wvs_executor_active_tasks)"), .count),
            ("retries", try obs.number(obs.rise("wvs_task_retry_total")), .count),
            ("reaped", try obs.number(obs.rise("wvs_reaped_total")), .count),
            ("empty_looks", try obs.number(obs.rise("wvs_dequeue_empty_total")), .count),
        ])
    }
}
