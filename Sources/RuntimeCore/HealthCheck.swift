private import Glibc

/// Asks a program that runs on this machine whether it can work, for the probes of containers and units.
package enum HealthCheck {
    /// - Parameters:
    ///   - address: where the program serves `/readyz`; a wildcard host is asked on the loopback address.
    ///   - timeout: for each read and write; whole seconds count.
    /// - Returns: nil where it is ready, else what it said or why it could not be asked.
    package static func problem(at address: SocketAddress, timeout: Duration = .seconds(3)) -> String? {
        do {
            let answer = try ask(address, timeout: timeout)
            let parts = answer.split(separator: "\r\n\r\n", maxSplits: 1, omittingEmptySubsequences: false)
            let status = parts.first?.split(separator: " ").dropFirst().first ?? ""
            if status == "200" { return nil }
            let body = parts.count == 2 ? String(parts[1].prefix(1000)) : ""
            return "answered \(status.isEmpty ? "nothing" : status) \(body)"
        } catch {
            return "\(error)"
        }
    }

    private static func ask(_ address: SocketAddress, timeout: Duration) throws(SystemError) -> String {
        let socket = try connect(address, timeout: timeval(tv_sec: Int(timeout.components.seconds), tv_usec: 0))
        defer { close(socket) }
        let request = Array("GET /readyz HTTP/1.1\r\nHost: \(address)\r\nConnection: close\r\n\r\n".utf8)
        _ = try systemCall("send", "\(address)") { send(socket, request, request.count, Int32(MSG_NOSIGNAL)) }
        var answer: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while answer.count < 65536 {
            let count = try systemCall("recv", "\(address)") { recv(socket, &chunk, chunk.count, 0) }
            if count == 0 { break }
            answer += chunk[..<count]
        }
        return String(decoding: answer, as: UTF8.self)
    }

    private static func connect(_ address: SocketAddress, timeout: timeval) throws(SystemError) -> CInt {
        let host = ["0.0.0.0": "127.0.0.1", "::": "::1"][address.host] ?? address.host
        var hints = addrinfo()
        hints.ai_socktype = Int32(SOCK_STREAM.rawValue)
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, String(address.port), &hints, &list) == 0, let first = list else {
            throw SystemError("getaddrinfo", "\(address)", errno: ENOENT)
        }
        defer { freeaddrinfo(list) }
        let socket = try systemCall("socket") {
            Glibc.socket(first.pointee.ai_family, first.pointee.ai_socktype | Int32(SOCK_CLOEXEC.rawValue), 0)
        }
        var timeout = timeout
        let size = socklen_t(MemoryLayout<timeval>.size)
        setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, size)
        setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, size)
        do {
            _ = try systemCall("connect", "\(address)") {
                Glibc.connect(socket, first.pointee.ai_addr, first.pointee.ai_addrlen)
            }
        } catch {
            close(socket)
            throw error
        }
        return socket
    }
}
