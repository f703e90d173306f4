/// What stands before a request's body, and the rules of framing that libmicrohttpd leaves to us.
struct RequestHead: Sendable {
    let method: String
    let target: String
    /// As in the request line: `HTTP/1.1`.
    let version: String
    let headers: Headers
    /// Request line and headers, in bytes.
    let size: Int
    /// Whether that is all that was sent; see `HeadLayout`.
    let isSound: Bool

    /// What `Content-Length` promises; nil without one, and without meaning while `refusal` is not nil.
    var declaredLength: UInt64? { headers["Content-Length"].map { UInt64($0) ?? .max } }

    /// Whether the client holds the body back until it has heard from us.
    var expectsContinue: Bool { headers["Expect"] != nil }

    /// Whether the body says itself where it ends, in its own bytes.
    var isChunked: Bool { headers["Transfer-Encoding"] != nil }

    /// Why this request is not carried out, whatever its target; nil where nothing speaks against it.
    func refusal(limits: Limits) -> Refusal? {
        if size > limits.headerBytes {
            return .malformed("the headers are larger than \(limits.headerBytes) bytes", status: 431)
        }
        guard version == "HTTP/1.1" || version == "HTTP/1.0" else {
            return .malformed("only HTTP/1.1 and HTTP/1.0 are spoken here", status: 505)
        }
        guard isSound else { return .malformed("the request line or a header is not formed as it should be") }
        if let refusal = fieldRefusal ?? framingRefusal ?? hostRefusal { return refusal }
        if let declaredLength, declaredLength > UInt64(limits.bodyBytes) { return limits.bodyRefusal }
        return nil
    }

    /// RFC 9110, sections 5.1 and 5.5: a name is a token, and a value has no control character in it. (A space before the colon
    /// hides a `Transfer-Encoding` from one of two parsers.)
    private var fieldRefusal: Refusal? {
        for (name, value) in headers.fields {
            guard !name.isEmpty, name.utf8.allSatisfy(isTokenByte) else {
                return .malformed("a header's name is no token")
            }
            guard value.utf8.allSatisfy({ $0 >= 0x20 && $0 != 0x7f || $0 == 0x09 }) else {
                return .malformed("the header \(name) has a control character in it")
            }
        }
        guard !method.isEmpty, method.utf8.allSatisfy(isTokenByte) else { return .malformed("the method is no token") }
        return nil
    }

    /// RFC 9112, section 6: two opinions about where a request ends are how one is smuggled past a proxy.
    private var framingRefusal: Refusal? {
        let lengths = headers.values("Content-Length")
        let codings = headers.values("Transfer-Encoding")
        if lengths.count > 1 { return .malformed("more than one Content-Length") }
        if !lengths.isEmpty, !codings.isEmpty { return .malformed("Content-Length beside Transfer-Encoding") }
        if let length = lengths.first, length.isEmpty || !length.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            return .malformed("Content-Length is not a number")
        }
        guard let coding = codings.first else { return nil }
        if version == "HTTP/1.0" || codings.count > 1 {
            return .malformed("Transfer-Encoding is not allowed like this")
        }
        return coding.lowercased() == "chunked"
            ? nil : .malformed("the only Transfer-Encoding here is chunked", status: 501)
    }

    /// RFC 9112, section 3.2.
    private var hostRefusal: Refusal? {
        let hosts = headers.values("Host")
        if hosts.count > 1 { return .malformed("more than one Host") }
        guard let host = hosts.first else {
            return version == "HTTP/1.0" ? nil : .malformed("the Host header is missing")
        }
        // host [ ":" port ], the host as a name, IPv4 address or bracketed IPv6 address (RFC 3986, section 3.2.2).
        let allowed = host.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: "-._~%!$&'()*+,;=:[]".utf8.contains(byte)
            }
        }
        return allowed ? nil : .malformed("the Host header is not a host")
    }
}

/// A character of a token (RFC 9110, section 5.6.2).
private func isTokenByte(_ byte: UInt8) -> Bool {
    switch byte {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
        UInt8(ascii: "0")...UInt8(ascii: "9"):
        true
    default: "!#$%&'*+-.^_`|~".utf8.contains(byte)
    }
}
