import JSON
import Model
import Runtime
import RuntimeCore

/// wvs-api as the commands see it.
final class APIClient {
    struct Answer {
        let body: JSONValue
        /// The request had been accepted before, under the same idempotency key.
        let isReplay: Bool
    }

    let baseURL: String
    private let http: HTTPClient

    private let isVerbose: Bool

    /// - Parameters:
    ///   - baseURL: without a slash at its end.
    ///   - isVerbose: says each request's id on standard error.
    init(baseURL: String, isVerbose: Bool) throws(CommandError) {
        self.baseURL = baseURL
        self.isVerbose = isVerbose
        http = try HTTPClient()
    }

    func get(_ path: String, timeout: Duration = .seconds(30)) throws(CommandError) -> Answer {
        try send("GET", path, timeout: timeout)
    }

    /// A change that is done when it is answered, and may be asked for again.
    func change(_ method: String, _ path: String) throws(CommandError) -> Answer {
        try send(method, path, timeout: .seconds(30))
    }

    /// A write that must not happen twice: repeating it with the same key is safe.
    func write(_ method: String, _ path: String, body: JSONValue? = nil, key: String) throws(CommandError) -> Answer {
        try send(method, path, body: body, headers: ["Idempotency-Key": key], timeout: .seconds(30))
    }

    /// The task, as soon as it has ended or `wait` whole seconds have passed.
    func task(_ id: String, wait: Int) throws(CommandError) -> Answer {
        try send("GET", "/v1/tasks/\(id)", headers: ["Prefer": "wait=\(wait)"], timeout: .seconds(wait + 30))
    }

    private func send(
        _ method: String, _ path: String, body: JSONValue? = nil, headers: [String: String] = [:], timeout: Duration
    ) throws(CommandError) -> Answer {
        var headers = headers
        headers["Accept"] = "application/json"
        let requestID = UUIDv7.make()
        headers["X-Request-Id"] = requestID
        if isVerbose { writeToStandardError("\(method) \(baseURL)\(path)  request id \(requestID)\n") }
        if body != nil { headers["Content-Type"] = "application/json" }
        let response: HTTPClient.Response
        do {
            response = try http.send(method, baseURL + path, headers: headers, body: body?.text, timeout: timeout)
        } catch {
            throw CommandError(
                error.status, error.message,
                hint: "another address, if wvs-api is not there: --api-url, WVS_API_URL or the context's api-url")
        }
        let json: JSONValue
        do {
            json = try JSONValue(parsing: response.body)
        } catch {
            let problem: JSONValue = ["detail": .string("\(baseURL) answered with no JSON: is that wvs-api?")]
            throw Self.error(status: response.status, problem)
        }
        guard (200..<300).contains(response.status) else { throw Self.error(status: response.status, json) }
        return Answer(body: json, isReplay: response.headers["idempotency-replayed"] == "true")
    }

    private static func error(status: Int, _ problem: JSONValue) -> CommandError {
        let code = problem["code"]?.string ?? "HTTP \(status)"
        let message = "\(code): \(problem["detail"]?.string ?? problem["title"]?.string ?? "no detail")"
        let hint = hint(code: code)
        return switch status {
        case 400: CommandError(.usage, message, hint: hint)
        case 401, 403: CommandError(.unauthorized, message, hint: hint)
        case 404: CommandError(.notFound, message, hint: hint)
        case 409, 410, 412: CommandError(.conflict, message, hint: hint)
        case 503: CommandError(.unreachable, message, hint: hint)
        default: CommandError(.failed, message, hint: hint)
        }
    }

    /// What to do about it; nil for a code of no WVS.
    private static func hint(code: String) -> String? {
        guard let code = ErrorCode(rawValue: code) else { return nil }
        return switch code {
        case .badRequest: "the command's --help, which says what is allowed"
        case .unauthorized, .forbidden: "another context or --api-url: this server does not let you in"
        case .notFound: "wvsctl workspace list, snapshot list WSID or task list show what there is"
        case .conflictLocked: "wvsctl task list --wsid WSID shows what is under way; wait for it, or cancel it"
        case .conflictExists: "another name; wvsctl workspace get shows the one that is there"
        case .conflictIdempotentMismatch: "use another --idempotency-key: this one belongs to another request"
        case .conflictSnapshotInUse: "set current to another snapshot first, or wait for the task that uses it"
        case .gone: "another workspace: one that is disabled stays so"
        case .preconditionFailed:
            "wvsctl workspace get shows the workspace's state; retry-init helps out of INIT_FAILED"
        case .internal: "again in a moment; if that does not help, the log of wvs-api under this request's id (-v)"
        case .executorError, .executorTimeout: "the log of wvs-executor under this request's id (-v)"
        }
    }
}
