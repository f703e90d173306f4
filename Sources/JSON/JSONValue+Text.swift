private import RuntimeCore

extension JSONValue {
    /// Compact JSON, members in the order in which they stand.
    package var text: String {
        var text = ""
        text.reserveCapacity(512)
        write(to: &text, canonical: false)
        return text
    }

    /// The JSON Canonicalization Scheme (RFC 8785): equal values give equal text.
    package var canonical: String {
        var text = ""
        write(to: &text, canonical: true)
        return text
    }

    private func write(to text: inout String, canonical: Bool) {
        switch self {
        case .null: text += "null"
        case .bool(let value): text += value ? "true" : "false"
        // RFC 8785 knows doubles only: an integer beyond 2^53 is written as the double that a reader would take it for.
        case .integer(let value):
            text += canonical ? ecmaScriptText(Double(value)) : String(value)
        case .number(let value): text += ecmaScriptText(value)
        case .string(let value): appendJSONString(value, to: &text)
        case .array(let elements):
            text += "["
            for (index, element) in elements.enumerated() {
                if index > 0 { text += "," }
                element.write(to: &text, canonical: canonical)
            }
            text += "]"
        case .object(let object):
            let members =
                canonical
                ? object.members.sorted { $0.name.utf16.lexicographicallyPrecedes($1.name.utf16) } : object.members
            text += "{"
            for (index, member) in members.enumerated() {
                if index > 0 { text += "," }
                appendJSONString(member.name, to: &text)
                text += ":"
                member.value.write(to: &text, canonical: canonical)
            }
            text += "}"
        }
    }
}

/// Number::toString of ECMAScript 2024 (section 6.1.6.1.20), which RFC 8785 prescribes.
private func ecmaScriptText(_ value: Double) -> String {
    guard value.isFinite else { return "null" }
    if value == 0 { return "0" }
    let sign = value < 0 ? "-" : ""
    let (digits, point) = shortestDigits(abs(value))
    let count = digits.count
    if count <= point, point <= 21 { return sign + digits + String(repeating: "0", count: point - count) }
    if 0 < point, point <= 21 { return sign + digits.prefix(point) + "." + digits.dropFirst(point) }
    if -6 < point, point <= 0 { return sign + "0." + String(repeating: "0", count: -point) + digits }
    let exponent = point - 1
    let mantissa = count == 1 ? digits : digits.prefix(1) + "." + digits.dropFirst(1)
    return "\(sign)\(mantissa)e\(exponent < 0 ? "-" : "+")\(abs(exponent))"
}

/// The shortest digits that read back as `value`, and how many of them stand before the decimal point.
private func shortestDigits(_ value: Double) -> (digits: String, point: Int) {
    // Swift's description has the shortest digits too, laid out by other rules.
    let parts = value.description.split(separator: "e")
    let mantissa = parts[0].split(separator: ".", omittingEmptySubsequences: false)
    let whole = String(mantissa[0])
    let fraction = mantissa.count > 1 && mantissa[1] != "0" ? String(mantissa[1]) : ""
    let exponent = parts.count > 1 ? Int(parts[1]) ?? 0 : 0
    let all = whole + fraction
    let leading = all.prefix { $0 == "0" }.count
    var digits = String(all.dropFirst(leading))
    while digits.hasSuffix("0") { digits.removeLast() }
    return (digits, whole.count - leading + exponent)
}
