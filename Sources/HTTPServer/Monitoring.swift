package import Runtime
package import RuntimeCore

/// What stands between a program and its work; `problem` is nil where nothing does.
package struct ReadinessCheck: Sendable {
    package let name: String
    package let problem: String?

    package init(_ name: String, problem: String?) {
        self.name = name
        self.problem = problem
    }
}

extension Router {
    /// Adds `/healthz` (the process answers), `/readyz` (it can work) and `/metrics`.
    package mutating func addMonitoring(
        metrics: MetricsRegistry, readiness: @escaping @Sendable () async -> [ReadinessCheck]
    ) {
        on("GET", "/healthz") { _ in .uncached(200, "application/json", #"{"status":"ok"}"# + "\n") }
        on("GET", "/readyz") { _ in
            let checks = await readiness()
            let isReady = checks.allSatisfy { $0.problem == nil }
            var text = "{\"status\":\"\(isReady ? "ready" : "unavailable")\",\"checks\":{"
            for (index, check) in checks.enumerated() {
                if index > 0 { text += "," }
                appendJSONString(check.name, to: &text)
                text += ":"
                appendJSONString(check.problem ?? "ok", to: &text)
            }
            return .uncached(isReady ? 200 : 503, "application/json", text + "}}\n")
        }
        on("GET", "/metrics") { _ in .uncached(200, "text/plain; version=0.0.4; charset=utf-8", metrics.render()) }
    }
}

extension HTTPServer {
    /// The listener for probes and scrapes that each program has.
    package static func monitoring(
        address: SocketAddress, metrics: MetricsRegistry, logger: Logger,
        readiness: @escaping @Sendable () async -> [ReadinessCheck]
    ) throws(HTTPServerError) -> HTTPServer {
        var router = Router()
        router.addMonitoring(metrics: metrics, readiness: readiness)
        return try HTTPServer(name: "metrics", address: address, router: router, logger: logger)
    }
}

extension Response {
    fileprivate static func uncached(_ status: Int, _ contentType: String, _ text: String) -> Response {
        var response = Response(status: status, contentType: contentType, text: text)
        response.headers["Cache-Control"] = "no-store"
        return response
    }
}
