private import Dispatch
private import Glibc
package import JSON
package import RuntimeCore

/// One HTTP exchange over a connection of its own, for tests that talk to a program from outside.
package struct HTTPExchange: Sendable {
    package let status: Int
    /// Names in lower case.
    package let headers: [String: String]
    package let body: String

    package var json: JSONValue {
        get throws { try JSONValue(parsing: body) }
    }

    /// Sends a request and reads the answer to its end, on a thread of its own.
    package static func send(
        _ method: String, _ target: String, to address: SocketAddress, headers: [String: String] = [:],
        body: JSONValue? = nil, timeout: Duration = .seconds(30)
    ) async throws -> HTTPExchange {
        var head = "\(method) \(target) HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n"
        for (name, value) in headers { head += "\(name): \(value)\r\n" }
        let text = body?.text
        if let text { head += "Content-Type: application/json\r\nContent-Length: \(text.utf8.count)\r\n" }
        let bytes = Array((head + "\r\n" + (text ?? "")).utf8)
        return try await withCheckedThrowingContinuation { continuation in
            DispatchQueue(label: "http exchange").async {
                continuation.resume(with: Result { try exchange(bytes, address, timeout) })
            }
        }
    }

    private static func exchange(_ bytes: [UInt8], _ address: SocketAddress, _ timeout: Duration) throws -> HTTPExchange
    {
        let connection = FileDescriptor(
            owning: try systemCall("socket") { socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0) })
        var limit = timeval(tv_sec: Int(timeout.components.seconds), tv_usec: 0)
        setsockopt(connection.raw, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var peer = sockaddr_in()
        peer.sin_family = sa_family_t(AF_INET)
        peer.sin_port = address.port.bigEndian
        inet_pton(AF_INET, address.host, &peer.sin_addr)
        try withUnsafePointer(to: &peer) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                _ = try systemCall("connect", address.description) {
                    connect(connection.raw, generic, socklen_t(MemoryLayout<sockaddr_in>.size))
                }
            }
        }
        var sent = 0
        while sent < bytes.count {
            sent += try bytes[sent...].withUnsafeBytes { rest in
                try systemCall("send") { Glibc.send(connection.raw, rest.baseAddress, rest.count, CInt(MSG_NOSIGNAL)) }
            }
        }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while true {
            let count = try systemCall("recv", address.description) { recv(connection.raw, &chunk, chunk.count, 0) }
            if count == 0 { break }
            answer += chunk[..<count]
        }
        return try parse(String(decoding: answer, as: UTF8.self))
    }

    private static func parse(_ text: String) throws -> HTTPExchange {
        let lines = text.split(separator: "\r\n", omittingEmptySubsequences: false)
        guard let status = lines.first?.split(separator: " ").dropFirst().first.flatMap({ Int($0) }),
            let end = lines.firstIndex(of: "")
        else { throw ProgramError(message: "no HTTP answer: '\(text)'") }
        var headers: [String: String] = [:]
        for line in lines[1..<end] {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { headers[parts[0].lowercased()] = String(parts[1].drop { $0 == " " }) }
        }
        return HTTPExchange(
            status: status, headers: headers, body: lines[(end + 1)...].joined(separator: "\r\n"))
    }
}
