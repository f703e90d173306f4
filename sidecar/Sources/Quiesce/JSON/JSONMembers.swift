/// The members of an object on their way into a record: each is taken once, and what nobody took is an error.
struct JSONMembers {
    private var members: [(name: String, value: JSONNode)]

    init(_ node: JSONNode) throws(Malformed) {
        guard case .object(let members) = node else { throw Malformed("not an object") }
        self.members = members
    }

    var names: [String] { members.map(\.name) }

    mutating func node(_ name: String) throws(Malformed) -> JSONNode {
        guard let index = members.firstIndex(where: { $0.name == name }) else { throw Malformed("\(name) is missing") }
        return members.remove(at: index).value
    }

    /// - Parameter limit: in bytes of UTF-8.
    mutating func string(_ name: String, limit: Int) throws(Malformed) -> String {
        guard case .string(let text) = try node(name), text.utf8.count <= limit else { throw Malformed(name) }
        return text
    }

    mutating func integer<Integer: FixedWidthInteger>(_ name: String, in range: ClosedRange<Integer>)
        throws(Malformed) -> Integer
    {
        guard case .number(let text) = try node(name), let value = Integer(text), range.contains(value) else {
            throw Malformed(name)
        }
        return value
    }

    /// Refuses every other version.
    mutating func version(_ version: Int) throws(Malformed) { _ = try integer("version", in: version...version) as Int }

    mutating func flag(_ name: String) throws(Malformed) -> Bool {
        guard case .bool(let flag) = try node(name) else { throw Malformed(name) }
        return flag
    }

    mutating func choice<Choice: RawRepresentable>(_ name: String) throws(Malformed) -> Choice
    where Choice.RawValue == String {
        guard case .string(let text) = try node(name), let choice = Choice(rawValue: text) else {
            throw Malformed(name)
        }
        return choice
    }

    mutating func elements(_ name: String, limit: Int) throws(Malformed) -> [JSONNode] {
        guard case .array(let elements) = try node(name), elements.count <= limit else { throw Malformed(name) }
        return elements
    }

    mutating func object(_ name: String, limit: Int) throws(Malformed) -> [(name: String, value: JSONNode)] {
        guard case .object(let members) = try node(name), members.count <= limit else { throw Malformed(name) }
        return members
    }

    /// Milliseconds with a fraction, as microseconds.
    mutating func milliseconds(_ name: String) throws(Malformed) -> Int64 {
        guard case .number(let text) = try node(name), let value = Double(text), value >= 0, value < 1e9 else {
            throw Malformed(name)
        }
        return Int64((value * 1000).rounded())
    }

    consuming func finish() throws(Malformed) {
        if let unknown = members.first { throw Malformed("unknown member \(unknown.name)") }
    }
}
