private import Dispatch
private import Glibc
package import RuntimeCore

/// A TCP connection that sends exactly what a test says: for requests that no HTTP client would make.
///
/// Every wait ends after 20 s with an error. Calls block on a queue of the connection, never on a cooperative thread.
package final class RawConnection: @unchecked Sendable {
    // Unchecked: `buffer` is touched only on `queue`.
    private let descriptor: FileDescriptor
    private let queue = DispatchQueue(label: "test connection")
    private var buffer: [UInt8] = []

    /// - Parameter address: numeric IPv4.
    package init(to address: SocketAddress) throws {
        let type = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        descriptor = FileDescriptor(owning: try systemCall("socket") { socket(AF_INET, type, 0) })
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        for option in [SO_RCVTIMEO, SO_SNDTIMEO] {
            setsockopt(descriptor.raw, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
        }
        var target = sockaddr_in()
        target.sin_family = sa_family_t(AF_INET)
        target.sin_port = address.port.bigEndian
        target.sin_addr.s_addr = inet_addr(address.host)
        let raw = descriptor.raw
        try withUnsafeBytes(of: &target) { bytes in
            let pointer = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress
            try systemCall("connect", address.description) { connect(raw, pointer, socklen_t(bytes.count)) }
        }
    }

    package func send(_ text: String) async throws { try await send(Array(text.utf8)) }

    package func send(_ bytes: [UInt8]) async throws {
        try await blocking { connection in
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = try systemCall("send") {
                    rest.withUnsafeBytes {
                        Glibc.send(connection.descriptor.raw, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL))
                    }
                }
                rest = rest.dropFirst(count)
            }
        }
    }

    /// The next response.
    ///
    /// - Parameter hasBody: false for the answer to HEAD.
    package func response(hasBody: Bool = true) async throws -> TestResponse {
        try await blocking { try $0.readResponse(hasBody: hasBody) }
    }

    /// Waits until the server has closed the connection; answers what it had still sent.
    package func untilClosed() async throws -> String {
        try await blocking { connection in
            while try connection.fill() {}
            return String(decoding: connection.buffer, as: UTF8.self)
        }
    }

    /// Says that nothing more will be sent.
    package func finishSending() { Glibc.shutdown(descriptor.raw, CInt(SHUT_WR)) }

    private func blocking<Result: Sendable>(_ body: @escaping @Sendable (RawConnection) throws -> Result) async throws
        -> Result
    {
        try await withCheckedThrowingContinuation { continuation in
            queue.async { [self] in continuation.resume(with: Swift.Result { try body(self) }) }
        }
    }

    /// False at the end of the stream, also when it was cut.
    private func fill() throws -> Bool {
        var chunk = [UInt8](repeating: 0, count: 65536)
        let count = recv(descriptor.raw, &chunk, chunk.count, 0)
        if count < 0, errno == EINTR { return true }
        if count < 0, errno != ECONNRESET { throw SystemError("recv") }
        buffer += chunk.prefix(max(0, count))
        return count > 0
    }

    private func readResponse(hasBody: Bool) throws -> TestResponse {
        let separator = Array("\r\n\r\n".utf8)
        var end: Int?
        while true {
            end = buffer.indices.dropLast(3).first { buffer[$0..<$0 + 4].elementsEqual(separator) }
            if end != nil { break }
            guard try fill() else { throw ProgramError(message: "closed before a response") }
        }
        let head = String(decoding: buffer.prefix(end ?? 0), as: UTF8.self)
        buffer.removeFirst((end ?? 0) + 4)
        var response = try TestResponse(head: head)
        // "100 Continue" goes before the answer proper.
        if response.status == 100 { return try readResponse(hasBody: hasBody) }
        let length = hasBody ? Int(response["Content-Length"] ?? "0") ?? 0 : 0
        while buffer.count < length {
            guard try fill() else { throw ProgramError(message: "closed within a response") }
        }
        response.body = Array(buffer.prefix(length))
        buffer.removeFirst(length)
        return response
    }
}

/// What a server answered.
package struct TestResponse: Sendable {
    package let status: Int
    package let headers: [(name: String, value: String)]
    package internal(set) var body: [UInt8] = []

    init(head: String) throws {
        let lines = head.split(separator: "\r\n")
        guard let line = lines.first, let code = line.split(separator: " ").dropFirst().first.flatMap({ Int($0) })
        else {
            throw ProgramError(message: "no status line: \(head)")
        }
        status = code
        headers = lines.dropFirst().map { line in
            let parts = line.split(separator: ":", maxSplits: 1)
            let value = parts.count == 2 ? parts[1].drop { $0 == " " } : ""
            return (String(parts[0]), String(value))
        }
    }

    /// The first header of that name.
    package subscript(name: String) -> String? {
        headers.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    package var text: String { String(decoding: body, as: UTF8.self) }
}

extension RawConnection {
    /// One request on a connection of its own, with `Host` and `Content-Length` as they should be.
    package static func request(
        _ method: String, _ target: String, at address: SocketAddress, headers: [(String, String)] = [],
        body: String? = nil
    ) async throws -> TestResponse {
        let connection = try RawConnection(to: address)
        var text = "\(method) \(target) HTTP/1.1\r\nHost: \(address)\r\n"
        for (name, value) in headers { text += "\(name): \(value)\r\n" }
        if let body { text += "Content-Length: \(body.utf8.count)\r\n" }
        try await connection.send(text + "\r\n" + (body ?? ""))
        return try await connection.response(hasBody: method != "HEAD")
    }
}
