/// Finds the handler of a request, and answers for the paths and methods that have none.
package struct Router: Sendable {
    package typealias Handler = @Sendable (Request) async throws -> Response
    /// Stands around every request, also those that the server itself refuses: `next` throws a `Refusal` then. Renders
    /// errors, logs, counts.
    package typealias Interceptor = @Sendable (Request, _ next: Handler) async -> Response

    private struct Resource {
        let pattern: RoutePattern
        var handlers: [String: Handler]
    }

    /// By number of segments, the more exact pattern first.
    private var resources: [Int: [Resource]] = [:]
    package var interceptor: Interceptor = renderPlainly

    package init() {}

    /// - Parameter pattern: segments are literal, `{name}` or `{name}:verb`.
    package mutating func on(_ method: String, _ pattern: String, _ handler: @escaping Handler) {
        let pattern = RoutePattern(pattern)
        var list = resources[pattern.segments.count, default: []]
        if let index = list.firstIndex(where: { $0.pattern == pattern }) {
            precondition(list[index].handlers[method] == nil, "two routes for \(method) \(pattern.text)")
            list[index].handlers[method] = handler
        } else {
            let index = list.firstIndex { pattern.isMoreExact(than: $0.pattern) } ?? list.endIndex
            list.insert(Resource(pattern: pattern, handlers: [method: handler]), at: index)
        }
        resources[pattern.segments.count] = list
    }

    /// Every method and pattern, in no particular order.
    package var routes: [(method: String, pattern: String)] {
        resources.values.joined().flatMap { resource in resource.handlers.keys.map { ($0, resource.pattern.text) } }
    }

    /// Answers a request whose target has been read.
    func respond(to request: Request, target: Target) async -> Response {
        var request = request
        for resource in resources[target.segments.count] ?? [] {
            if let parameters = resource.pattern.match(target.segments) {
                request.route = resource.pattern.text
                request.parameters = parameters
                return await interceptor(request, Self.handler(resource.handlers, request.method))
            }
        }
        if target.isAsterisk, request.method == "OPTIONS" {
            return await interceptor(request) { _ in Response(status: 204, headers: ["Allow": "GET, HEAD, OPTIONS"]) }
        }
        return await refuse(request, Refusal(status: 404, detail: "there is nothing at \(target.path)"))
    }

    func refuse(_ request: Request, _ refusal: Refusal) async -> Response {
        await interceptor(request) { _ in throw refusal }
    }

    private static func handler(_ handlers: [String: Handler], _ method: String) -> Handler {
        if let handler = handlers[method] { return handler }
        // libmicrohttpd leaves the body out of the answer to HEAD.
        if method == "HEAD", let handler = handlers["GET"] { return handler }
        var methods = Set(handlers.keys).union(["OPTIONS"])
        if methods.contains("GET") { methods.insert("HEAD") }
        let allow = methods.sorted().joined(separator: ", ")
        if method == "OPTIONS" { return { _ in Response(status: 204, headers: ["Allow": allow]) } }
        return { _ in
            throw Refusal(status: 405, detail: "only \(allow) are allowed here", headers: ["Allow": allow])
        }
    }
}

/// The interceptor of a server that has no format of its own.
@Sendable private func renderPlainly(_ request: Request, _ next: Router.Handler) async -> Response {
    do {
        return try await next(request)
    } catch let refusal as Refusal {
        return refusal.response
    } catch {
        return Response(status: 500, contentType: "text/plain; charset=utf-8", text: "internal error\n")
    }
}
