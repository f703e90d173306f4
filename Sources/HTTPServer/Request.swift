/// A whole request: nothing reaches a handler before its last byte has come.
package struct Request: Sendable {
    /// As sent; methods are case-sensitive (RFC 9110, section 9.1).
    package let method: String
    /// The request target as sent, still encoded.
    package let target: String
    /// The decoded path; empty where the target could not be read.
    package let path: String
    package let query: Query
    package var headers: Headers
    package internal(set) var body: [UInt8]
    /// The address of the other end of the connection, without its port.
    package let peer: String
    /// The id under which this request is known everywhere; the interceptor sees to it that there is one.
    package var id = ""
    /// The pattern of the route that matched; nil where none did. What a metric may use as a label.
    package internal(set) var route: String?
    /// The decoded values of the pattern's `{names}`.
    package internal(set) var parameters: [String: String] = [:]

    package init(
        method: String, target: String, path: String = "", query: Query = Query(), headers: Headers = [:],
        body: [UInt8] = [], peer: String = ""
    ) {
        self.method = method
        self.target = target
        self.path = path
        self.query = query
        self.headers = headers
        self.body = body
        self.peer = peer
    }

    /// The value of a name in the route's pattern.
    package func parameter(_ name: String) -> String {
        guard let value = parameters[name] else { preconditionFailure("no {\(name)} in \(route ?? "any route")") }
        return value
    }
}
