private import CShims
import Glibc
import RuntimeCore

/// A TCP socket that listens.
struct ListeningSocket: ~Copyable, Sendable {
    let descriptor: FileDescriptor
    /// With the port that the kernel chose where 0 was asked for.
    let address: SocketAddress

    /// Takes the first of the host's addresses that can be bound.
    init(_ wanted: SocketAddress) throws(SystemError) {
        var hints = addrinfo()
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV
        var list: UnsafeMutablePointer<addrinfo>?
        let code = getaddrinfo(wanted.host, String(wanted.port), &hints, &list)
        guard code == 0 else {
            throw SystemError("getaddrinfo", wanted.description, errno: code == EAI_SYSTEM ? lastErrno : EADDRNOTAVAIL)
        }
        defer { freeaddrinfo(list) }
        let socket = try Self.listen(first: list, wanted)
        address = SocketAddress(host: wanted.host, port: try Self.port(of: socket.raw))
        descriptor = socket
    }

    private static func listen(first: UnsafeMutablePointer<addrinfo>?, _ wanted: SocketAddress) throws(SystemError)
        -> FileDescriptor
    {
        var failure = SystemError("bind", wanted.description, errno: EADDRNOTAVAIL)
        var next = first
        while let info = next?.pointee {
            do throws(SystemError) { return try listen(info, wanted) } catch { failure = error }
            next = info.ai_next
        }
        throw failure
    }

    private static func listen(_ info: addrinfo, _ wanted: SocketAddress) throws(SystemError) -> FileDescriptor {
        let name = wanted.description
        let type = info.ai_socktype | CInt(SOCK_CLOEXEC.rawValue) | CInt(SOCK_NONBLOCK.rawValue)
        let descriptor = FileDescriptor(
            owning: try systemCall("socket", name) { socket(info.ai_family, type, info.ai_protocol) })
        var on: CInt = 1
        try systemCall("setsockopt", name) {
            setsockopt(descriptor.raw, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<CInt>.size))
        }
        try systemCall("bind", name) { bind(descriptor.raw, info.ai_addr, info.ai_addrlen) }
        try systemCall("listen", name) { Glibc.listen(descriptor.raw, SOMAXCONN) }
        return descriptor
    }

    private static func port(of socket: CInt) throws(SystemError) -> UInt16 {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        return try withUnsafeMutableBytes(of: &storage) { bytes throws(SystemError) in
            let address = bytes.assumingMemoryBound(to: sockaddr.self).baseAddress
            try systemCall("getsockname") { getsockname(socket, address, &length) }
            // sockaddr_in and sockaddr_in6 both keep the port at offset 2.
            return UInt16(bigEndian: bytes.loadUnaligned(fromByteOffset: 2, as: UInt16.self))
        }
    }
}

/// The address in text, without the port; IPv4 in IPv6 as IPv4.
func hostText(_ address: UnsafePointer<sockaddr>) -> String {
    let isIPv6 = address.pointee.sa_family == sa_family_t(AF_INET6)
    let length = isIPv6 ? MemoryLayout<sockaddr_in6>.size : MemoryLayout<sockaddr_in>.size
    var text = [CChar](repeating: 0, count: Int(NI_MAXHOST))
    guard getnameinfo(address, socklen_t(length), &text, socklen_t(text.count), nil, 0, NI_NUMERICHOST) == 0 else {
        return "unknown"
    }
    let host = String(decoding: text.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    return host.hasPrefix("::ffff:") && host.contains(".") ? String(host.dropFirst(7)) : host
}
