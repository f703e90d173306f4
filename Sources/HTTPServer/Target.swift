/// A request target (RFC 9112, section 3.2), split and decoded.
struct Target {
    /// Decoded; the target `*` of OPTIONS has none.
    let segments: [String]
    let query: Query
    let isAsterisk: Bool

    /// Refuses what would be ambiguous once decoded: an encoded slash, NUL or other control characters, invalid UTF-8.
    init(_ text: String) throws(Refusal) {
        // RFC 3986: everything else is percent-encoded. (Bytes that are no UTF-8 have been replaced by now.)
        guard text.utf8.allSatisfy({ (0x21...0x7e).contains($0) }) else {
            throw .badRequest("the request target has bytes that are not visible ASCII")
        }
        isAsterisk = text == "*"
        if isAsterisk {
            segments = []
            query = Query()
            return
        }
        let origin = try Self.originForm(text)
        let question = origin.utf8.firstIndex(of: UInt8(ascii: "?"))
        let path = origin.utf8[..<(question ?? origin.endIndex)]
        var segments: [String] = []
        for raw in path.dropFirst().split(separator: UInt8(ascii: "/"), omittingEmptySubsequences: false) {
            guard let segment = percentDecoded(raw), !segment.utf8.contains(UInt8(ascii: "/")) else {
                throw .badRequest(
                    "the path is not properly percent-encoded UTF-8, or encodes a slash or control character")
            }
            segments.append(segment)
        }
        self.segments = segments
        query = if let question { try Query(encoded: origin[question...].dropFirst()) } else { Query() }
    }

    var path: String { isAsterisk ? "*" : "/" + segments.joined(separator: "/") }

    /// Takes scheme and authority off the absolute form, which every server must accept.
    private static func originForm(_ text: String) throws(Refusal) -> Substring {
        if text.hasPrefix("/") { return text[...] }
        guard let scheme = ["http://", "https://"].first(where: { text.lowercased().hasPrefix($0) }) else {
            throw .badRequest("the request target must be a path")
        }
        let rest = text.dropFirst(scheme.count)
        guard let start = rest.firstIndex(where: { $0 == "/" || $0 == "?" }) else { return "/" }
        return rest[start] == "/" ? rest[start...] : "/" + rest[start...]
    }
}

/// The query of a request target in the form encoding of HTML (`+` is a space).
package struct Query: Sendable {
    package private(set) var items: [(name: String, value: String)] = []

    package init() {}

    init(encoded text: Substring) throws(Refusal) {
        for item in text.split(separator: "&") {
            let parts = item.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            guard let name = Self.decoded(parts[0]), let value = Self.decoded(parts.count == 2 ? parts[1] : "") else {
                throw .badRequest("the query is not properly percent-encoded UTF-8, or encodes a control character")
            }
            items.append((name, value))
        }
    }

    private static func decoded(_ text: Substring) -> String? {
        percentDecoded(text.replacing("+", with: "%20").utf8)
    }
}

/// Nil for a broken escape, invalid UTF-8 and control characters.
private func percentDecoded(_ text: Substring.UTF8View) -> String? {
    // Almost always, and visible ASCII then.
    if !text.contains(UInt8(ascii: "%")) { return String(Substring(text)) }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.count)
    var rest = text[...]
    while let byte = rest.popFirst() {
        guard byte == UInt8(ascii: "%") else {
            bytes.append(byte)
            continue
        }
        guard let high = rest.popFirst().flatMap(hexDigit), let low = rest.popFirst().flatMap(hexDigit) else {
            return nil
        }
        bytes.append(high << 4 | low)
    }
    guard bytes.allSatisfy({ $0 >= 0x20 && $0 != 0x7f }) else { return nil }
    return String(validating: bytes, as: UTF8.self)
}

private func hexDigit(_ byte: UInt8) -> UInt8? {
    switch byte {
    case UInt8(ascii: "0")...UInt8(ascii: "9"): byte - UInt8(ascii: "0")
    case UInt8(ascii: "a")...UInt8(ascii: "f"): byte - UInt8(ascii: "a") + 10
    case UInt8(ascii: "A")...UInt8(ascii: "F"): byte - UInt8(ascii: "A") + 10
    default: nil
    }
}
