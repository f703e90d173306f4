import API
import Executor
import Runtime
import Worker

// The tables of docs/metrics.md, by the registries that the programs serve; see scripts/reference.sh.
let api = MetricsRegistry()
let worker = MetricsRegistry()
let executor = MetricsRegistry()
_ = APIMetrics(api)
_ = WorkerMetrics(worker)
_ = ExecutorMetrics(executor, executorID: "")
for (program, registry) in [("wvs-api", api), ("wvs-worker", worker), ("wvs-executor", executor)] {
    print("\n## \(program)\n\n\(registry.markdown)", terminator: "")
}
