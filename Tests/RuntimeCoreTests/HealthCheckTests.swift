import Dispatch
import Glibc
import Testing

@testable import RuntimeCore

@Suite struct HealthCheckTests {
    /// A socket with an address of its own, at which nobody is answered before it listens.
    private func bound() throws -> (socket: CInt, address: SocketAddress) {
        let socket = try systemCall("socket") {
            Glibc.socket(AF_INET, Int32(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue), 0)
        }
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try withUnsafeMutablePointer(to: &name) { pointer in
            try pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { raw in
                _ = try systemCall("bind") { bind(socket, raw, size) }
                _ = try systemCall("getsockname") { getsockname(socket, raw, &size) }
            }
        }
        return (socket, SocketAddress(host: "0.0.0.0", port: UInt16(bigEndian: name.sin_port)))
    }

    /// A listener that gives its first caller one fixed answer.
    private func answering(_ text: String) throws -> (listener: CInt, address: SocketAddress) {
        let (listener, address) = try bound()
        _ = try systemCall("listen") { listen(listener, 1) }
        DispatchQueue.global().async {
            let caller = accept(listener, nil, nil)
            guard caller >= 0 else { return }
            var request = [UInt8](repeating: 0, count: 1024)
            _ = recv(caller, &request, request.count, 0)
            _ = send(caller, text, text.utf8.count, Int32(MSG_NOSIGNAL))
            close(caller)
        }
        return (listener, address)
    }

    @Test func aProgramThatIsReadyHasNoProblem() throws {
        let (listener, address) = try answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        defer { close(listener) }
        #expect(HealthCheck.problem(at: address) == nil)
    }

    @Test func aProgramThatIsNotReadySaysWhy() throws {
        let (listener, address) = try answering("HTTP/1.1 503 Service Unavailable\r\n\r\n{\"checks\":\"database\"}")
        defer { close(listener) }
        #expect(HealthCheck.problem(at: address)?.contains("503 {\"checks\":\"database\"}") == true)
    }

    @Test func nobodyAtTheAddressIsAProblem() throws {
        let (socket, address) = try bound()
        defer { close(socket) }
        #expect(HealthCheck.problem(at: address)?.contains("onnect") == true)
    }
}
