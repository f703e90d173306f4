import HTTPServer
import Runtime
import RuntimeCore
import TestSupport
import Testing

@Suite struct MonitoringTests {
    @Test("probes and metrics are served with the content types that scrapers expect")
    func routes() async throws {
        let metrics = MetricsRegistry()
        metrics.counter(.reapedTotal, "Tasks reaped.").add(3)
        let problem = Mutex<String?>(nil)
        try await withServer { router in
            router.addMonitoring(metrics: metrics) {
                [ReadinessCheck("database", problem: problem.withLock { $0 }), ReadinessCheck("schema", problem: nil)]
            }
        } _: { address, _ in
            let health = try await RawConnection.request("GET", "/healthz", at: address)
            #expect(health.status == 200)
            #expect(health.text == #"{"status":"ok"}"# + "\n")
            let page = try await RawConnection.request("GET", "/metrics", at: address)
            #expect(page["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8")
            #expect(page.text.contains("wvs_reaped_total 3\n"))

            let ready = try await RawConnection.request("GET", "/readyz", at: address)
            #expect(ready.status == 200)
            #expect(ready["Cache-Control"] == "no-store")
            #expect(ready.text == #"{"status":"ready","checks":{"database":"ok","schema":"ok"}}"# + "\n")
            problem.withLock { $0 = "no \"route\"" }
            let unready = try await RawConnection.request("GET", "/readyz", at: address)
            #expect(unready.status == 503)
            #expect(
                unready.text == #"{"status":"unavailable","checks":{"database":"no \"route\"","schema":"ok"}}"# + "\n")
        }
    }
}
