/// What travels beside a message: ASCII names in lower case and their ASCII values, in order.
///
/// Names ending in `-bin` (binary values) are neither sent nor received.
package struct GRPCMetadata: Sendable, Equatable, ExpressibleByDictionaryLiteral {
    package private(set) var entries: [(name: String, value: String)] = []

    package init() {}

    package init(dictionaryLiteral elements: (String, String)...) {
        entries = elements.map { (name: $0.0, value: $0.1) }
    }

    /// The first value of that name.
    package subscript(name: String) -> String? { entries.first { $0.name == name }?.value }

    package mutating func append(_ name: String, _ value: String) { entries.append((name: name, value: value)) }

    package static func == (left: GRPCMetadata, right: GRPCMetadata) -> Bool {
        left.entries.elementsEqual(right.entries) { $0 == $1 }
    }
}
