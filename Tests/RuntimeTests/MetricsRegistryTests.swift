import Runtime
import Testing

@Suite struct MetricsRegistryTests {
    @Test func metricsAreRenderedInTheTextFormat() {
        let registry = MetricsRegistry()
        let total = registry.counter(.taskTotal, "Tasks ended.", labels: [.op, .status])
        let depth = registry.gauge(.taskQueueDepth, "Tasks waiting.")
        let wait = registry.histogram(.quiesceWaitSeconds, "Wait for FROZEN.", buckets: [0.001, 0.5])
        total.add(1, "snapshot_create", "SUCCEEDED")
        total.add(2, "set_current", "a\"b\\c\nd")
        depth.set(3)
        wait.observe(.milliseconds(1))
        wait.observe(0.25)
        wait.observe(7)
        #expect(
            registry.render() == """
                # HELP wvs_task_total Tasks ended.
                # TYPE wvs_task_total counter
                wvs_task_total{op="set_current",status="a\\"b\\\\c\\nd"} 2
                wvs_task_total{op="snapshot_create",status="SUCCEEDED"} 1
                # HELP wvs_task_queue_depth Tasks waiting.
                # TYPE wvs_task_queue_depth gauge
                wvs_task_queue_depth 3
                # HELP wvs_quiesce_wait_seconds Wait for FROZEN.
                # TYPE wvs_quiesce_wait_seconds histogram
                wvs_quiesce_wait_seconds_bucket{le="0.001"} 1
                wvs_quiesce_wait_seconds_bucket{le="0.5"} 2
                wvs_quiesce_wait_seconds_bucket{le="+Inf"} 3
                wvs_quiesce_wait_seconds_sum 7.251
                wvs_quiesce_wait_seconds_count 3

                """)
    }

    @Test func aMetricWithoutLabelsIsThereFromTheStart() {
        let registry = MetricsRegistry()
        _ = registry.counter(.reapedTotal, "Tasks taken over.")
        #expect(registry.render().contains("wvs_reaped_total 0\n"))
    }
}
