private import Glibc
package import RuntimeCore

extension SocketAddress {
    /// A port of 127.0.0.1 that was free a moment ago, for programs that do not say which one they took.
    package static func free() throws(SystemError) -> SocketAddress {
        let socket = FileDescriptor(
            owning: try systemCall("socket") { Glibc.socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0) })
        let raw = socket.raw
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = inet_addr("127.0.0.1")
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        try systemCall("bind") {
            withUnsafePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(raw, $0, size) }
            }
        }
        try systemCall("getsockname") {
            withUnsafeMutablePointer(to: &address) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(raw, $0, &size) }
            }
        }
        return SocketAddress(host: "127.0.0.1", port: UInt16(bigEndian: address.sin_port))
    }
}
