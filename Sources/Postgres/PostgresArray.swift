/// One-dimensional arrays in the server's text form, `{a,"b c",NULL}` (PostgreSQL, section 8.15).
extension Array: PostgresValue where Element: PostgresValue {
    package var postgresText: String? {
        let elements = map { element -> String in
            guard let text = element.postgresText else { return "NULL" }
            var quoted = "\""
            for character in text.unicodeScalars {
                if character == "\"" || character == "\\" { quoted += "\\" }
                quoted.unicodeScalars.append(character)
            }
            return quoted + "\""
        }
        return "{\(elements.joined(separator: ","))}"
    }

    package init?(postgresText: String?) {
        guard let postgresText, let texts = arrayElements(postgresText) else { return nil }
        self = []
        for text in texts {
            guard let element = Element(postgresText: text) else { return nil }
            append(element)
        }
    }
}

private func arrayElements(_ text: String) -> [String?]? {
    let bytes = Array(text.utf8)
    guard bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}"), bytes.count >= 2 else { return nil }
    if bytes.count == 2 { return [] }
    var elements: [String?] = []
    var current: [UInt8] = []
    var inQuotes = false
    var wasQuoted = false
    var index = 1
    func element() -> String? {
        let text = String(decoding: current, as: UTF8.self)
        return text == "NULL" && !wasQuoted ? nil : text
    }
    while index < bytes.count - 1 {
        let byte = bytes[index]
        index += 1
        switch byte {
        case UInt8(ascii: "\\") where index < bytes.count - 1:
            current.append(bytes[index])
            index += 1
        case UInt8(ascii: "\""):
            inQuotes.toggle()
            wasQuoted = true
        case UInt8(ascii: ",") where !inQuotes:
            elements.append(element())
            current = []
            wasQuoted = false
        // An array of arrays is nothing that this reads.
        case UInt8(ascii: "{") where !inQuotes: return nil
        default: current.append(byte)
        }
    }
    elements.append(element())
    return inQuotes ? nil : elements
}
