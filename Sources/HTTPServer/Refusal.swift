/// A request that the server, or a handler, does not carry out. Thrown; whoever renders errors turns it into a `Response`.
package struct Refusal: Error, Sendable {
    package let status: Int
    /// For the client: what is wrong with the request.
    package let detail: String
    package let headers: Headers
    /// The connection can not be used any further: its framing is in doubt, or part of the request stays unread.
    package let closesConnection: Bool

    package init(status: Int, detail: String, headers: Headers = [:], closesConnection: Bool = false) {
        self.status = status
        self.detail = detail
        self.headers = headers
        self.closesConnection = closesConnection
    }

    static func badRequest(_ detail: String) -> Refusal { Refusal(status: 400, detail: detail) }

    static let overdue = malformed("the request did not arrive in time", status: 408)

    static let crowded = Refusal(
        status: 503, detail: "too much is being sent at the moment; try again", headers: ["Retry-After": "1"])

    static let shuttingDown = Refusal(
        status: 503, detail: "the service is shutting down", headers: ["Retry-After": "1"], closesConnection: true)

    /// A refusal after which nothing on the connection can be trusted.
    static func malformed(_ detail: String, status: Int = 400) -> Refusal {
        Refusal(status: status, detail: detail, closesConnection: true)
    }

    /// The plain rendering, for servers that have no format of their own.
    package var response: Response {
        var response = Response(status: status, contentType: "text/plain; charset=utf-8", text: detail + "\n")
        for (name, value) in headers.fields { response.headers.append(name, value) }
        return response
    }
}
