import HTTPServer
import Runtime

extension Request {
    /// `Idempotency-Key`: 1 to 255 visible ASCII characters, bare or as a quoted string of RFC 8941; `"abc"` and `abc` are one
    /// key.
    func idempotencyKey() throws(APIError) -> String {
        let fields = headers.values("Idempotency-Key")
        guard let field = fields.first else { throw .badRequest("the Idempotency-Key header is missing") }
        guard fields.count == 1, let key = field.hasPrefix("\"") ? unquoted(field) : field,
            isVisible(key, atMost: 255)
        else {
            throw .badRequest("Idempotency-Key must be one value of 1 to 255 visible ASCII characters, quoted or not")
        }
        return key
    }

    static let idHeader = "X-Request-Id"

    /// The client's `X-Request-Id`, if it is fit to be written everywhere: 1 to 128 visible ASCII characters.
    var offeredRequestID: String? { headers[Request.idHeader].flatMap { isVisible($0, atMost: 128) ? $0 : nil } }

    /// W3C Trace Context; nil without one, or where it is malformed.
    var trace: TraceParent? {
        let fields = headers.values("traceparent")
        return fields.count == 1 ? TraceParent(fields[0]) : nil
    }

    /// The `wait` preference of RFC 7240 in seconds, 60 at most; nil without one, or where it is malformed.
    var preferredWait: Int? {
        for preference in headers.values("Prefer").joined(separator: ",").split(separator: ",") {
            // Parameters after a semicolon mean nothing here.
            let parts = preference.prefix { $0 != ";" }.split(separator: "=", maxSplits: 1)
            guard let name = parts.first, trimmed(name).lowercased() == "wait" else { continue }
            // Where a preference is repeated, the first one counts.
            let digits = parts.count == 2 ? trimmed(parts[1]) : ""
            guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
            return min(Int(digits) ?? 60, 60)
        }
        return nil
    }
}

private func isVisible(_ text: String, atMost limit: Int) -> Bool {
    (1...limit).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7e).contains($0) }
}

/// A string of RFC 8941, section 3.3.3, decoded; nil where it is none.
private func unquoted(_ text: String) -> String? {
    guard text.utf8.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") else { return nil }
    var result = ""
    var rest = text.dropFirst().dropLast()
    while let character = rest.popFirst() {
        if character == "\"" { return nil }
        guard character == "\\" else {
            result.append(character)
            continue
        }
        guard let escaped = rest.popFirst(), escaped == "\"" || escaped == "\\" else { return nil }
        result.append(escaped)
    }
    return result
}

private func trimmed(_ text: Substring) -> Substring {
    let start = text.drop { $0 == " " || $0 == "\t" }
    guard let end = start.lastIndex(where: { $0 != " " && $0 != "\t" }) else { return "" }
    return start[...end]
}
