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
        let response = try http.send(method, baseURL + path, headers: headers, body: body?.text, timeout: timeout)
        let json: JSONValue
        do {
            json = try JSONValue(parsing: response.body)
        } catch {
            throw CommandError(.failed, "\(baseURL) answered \(response.status) with no JSON: is that wvs-api?")
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

    private static func hint(code: String) -> String? {
        switch ErrorCode(rawValue: code) {
        case .conflictIdempotentMismatch: "use another --idempotency-key: this one belongs to another request"
        case .conflictSnapshotInUse: "set current to another snapshot first, or wait for the task that uses it"
        case .preconditionFailed: "wvsctl workspace get shows the workspace's state"
        default: nil
        }
    }
}
