/// Header fields in the order in which they came; names compare without regard to case (RFC 9110, section 5.1).
package struct Headers: Sendable, ExpressibleByDictionaryLiteral {
    package private(set) var fields: [(name: String, value: String)] = []

    package init() {}

    package init(dictionaryLiteral elements: (String, String)...) {
        fields = elements.map { (name: $0.0, value: $0.1) }
    }

    /// The value of the first field of that name. Setting it replaces all of them; nil removes them.
    package subscript(name: String) -> String? {
        get { fields.first { isSameName($0.name, name) }?.value }
        set {
            fields.removeAll { isSameName($0.name, name) }
            if let newValue { fields.append((name, newValue)) }
        }
    }

    /// Every value of that name, one for each field line.
    package func values(_ name: String) -> [String] { fields.filter { isSameName($0.name, name) }.map(\.value) }

    package mutating func append(_ name: String, _ value: String) { fields.append((name, value)) }
}

private func isSameName(_ left: String, _ right: String) -> Bool {
    left.utf8.count == right.utf8.count && zip(left.utf8, right.utf8).allSatisfy { lowercased($0) == lowercased($1) }
}

private func lowercased(_ byte: UInt8) -> UInt8 {
    (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte | 0x20 : byte
}
