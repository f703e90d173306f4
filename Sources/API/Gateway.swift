import HTTPServer
import Migrations
import Postgres
import Runtime
import RuntimeCore

/// Stands around every request: gives it an id, renders its errors, counts it and writes its log line.
struct Gateway: Sendable {
    private static let methods: Set<String> = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
    private static let probes: Set<String> = ["/healthz", "/readyz", "/metrics"]

    let schema: SchemaGuard
    let metrics: APIMetrics
    let logger: Logger

    func handle(_ request: Request, _ next: Router.Handler) async -> Response {
        let start = MonotonicTime.now
        metrics.activeRequests.add(1)
        var request = request
        let requestID = request.offeredRequestID ?? UUIDv7.make()
        request.id = requestID
        var response = await answer(request, next)
        response.headers[Request.idHeader] = requestID
        metrics.activeRequests.add(-1)

        let duration = MonotonicTime.now - start
        // Labels have few values, whatever clients send.
        let route = request.route ?? "none"
        let method = Gateway.methods.contains(request.method) ? request.method : "other"
        metrics.requests.add(1, route, method, String(response.status))
        metrics.requestDuration.observe(duration, route, method)
        log(request, response, duration)
        return response
    }

    private func answer(_ request: Request, _ next: Router.Handler) async -> Response {
        do {
            if request.route?.hasPrefix("/v1/") == true, !schema.hasPassed { try await checkSchema() }
            return try await next(request)
        } catch let error as APIError {
            return .problem(error, requestID: request.id)
        } catch let refusal as Refusal {
            var response = Response.problem(APIError(refusal), requestID: request.id)
            for (name, value) in refusal.headers.fields { response.headers[name] = value }
            return response
        } catch is CancellationError {
            return departed(request)
        } catch let error as PostgresError where error.code == .canceled {
            return departed(request)
        } catch {
            logger.error("request failed", [.requestID: .text(request.id), .error: LogValue(error)])
            return .problem(APIError(hiding: error), requestID: request.id)
        }
    }

    /// A program that started while PostgreSQL was away serves nothing from a schema that it may not know.
    private func checkSchema() async throws {
        do {
            if try await schema.check() { return }
        } catch is SchemaGuard.Mismatch {
            throw APIError(.internal, "the database is not at the version that this service needs", status: 503)
        }
        throw APIError(.internal, "the database can not be reached at the moment; try again", status: 503)
    }

    /// The client closed its side of the connection, or the server was told to end at once. Hardly anybody reads it.
    private func departed(_ request: Request) -> Response {
        .problem(
            APIError(.badRequest, "the client closed its side of the connection before the answer", status: 499),
            requestID: request.id)
    }

    private func log(_ request: Request, _ response: Response, _ duration: Duration) {
        var context: [(LogKey, LogValue)] = [(.requestID, .text(request.id))]
        if let trace = request.trace { context += trace.logFields }
        for (key, name) in [(LogKey.wsid, "wsid"), (.taskID, "task_id"), (.snapshotID, "snapshot_id")] {
            if let value = request.parameters[name] { context.append((key, .text(value))) }
        }
        let logger = logger.with(context).with(response.logFields)
        let fields: KeyValuePairs<LogKey, LogValue> = [
            .method: .text(request.method), .route: .text(request.route ?? "none"),
            .path: .text(request.path.isEmpty ? request.target : request.path),
            .code: .integer(Int64(response.status)), .durationMilliseconds: .number(duration.milliseconds),
            .address: .text(request.peer),
        ]
        if request.route.map(Gateway.probes.contains) ?? false {
            logger.debug("request", fields)
        } else {
            logger.info("request", fields)
        }
    }
}
