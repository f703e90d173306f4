package import RuntimeCore

/// An answer. `Content-Length`, `Date` and `Connection` are added on the way out.
package struct Response: Sendable {
    package var status: Int
    package var headers: Headers
    package var body: [UInt8]
    /// What a log line about this exchange should name; never sent.
    package var logFields: [(LogKey, LogValue)] = []

    package init(status: Int, headers: Headers = [:], body: [UInt8] = []) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// An answer with text in UTF-8.
    package init(status: Int, contentType: String, text: String) {
        self.init(status: status, headers: ["Content-Type": contentType], body: Array(text.utf8))
    }
}

extension Response {
    /// As it goes out without libmicrohttpd, on a connection that ends with it.
    ///
    /// - Parameter withBody: false for the answer to HEAD.
    func lastBytes(reason: String, withBody: Bool) -> [UInt8] {
        var head = "HTTP/1.1 \(status) \(reason)\r\nConnection: close\r\nContent-Length: \(body.count)\r\n"
        for (name, value) in headers.fields { head += "\(name): \(value)\r\n" }
        return Array((head + "\r\n").utf8) + (withBody ? body : [])
    }
}
