/// The members of an object on their way into a record: each is taken once, and what nobody took is an error.
package struct JSONMembers {
    private var members: [(name: String, value: JSONNode)]

    package init(_ node: JSONNode) throws(Malformed) {
        guard case .object(let members) = node else { throw Malformed("not an object") }
        self.members = members
    }

    package var names: [String] { members.map(\.name) }

    package mutating func node(_ name: String) throws(Malformed) -> JSONNode {
        guard let index = members.firstIndex(where: { $0.name == name }) else { throw Malformed("\(name) is missing") }
        return members.remove(at: index).value
    }

    /// - Parameter limit: in bytes of UTF-8.
    package mutating func string(_ name: String, limit: Int) throws(Malformed) -> String {
        guard case .string(let text) = try node(name), text.utf8.count <= limit else { throw Malformed(name) }
        return text
    }

    package mutating func integer<Integer: FixedWidthInteger>(_ name: String, in range: ClosedRange<Integer>)
        throws(Malformed) -> Integer
    {
        guard case .number(let text) = try node(name), let value = Integer(text), range.contains(value) else {
            throw Malformed(name)
        }
        return value
    }

    /// As `integer`, for a member that older writers leave out.
    package mutating func integer<Integer: FixedWidthInteger>(
        _ name: String, in range: ClosedRange<Integer>, default absent: Integer
    ) throws(Malformed) -> Integer {
        names.contains(name) ? try integer(name, in: range) : absent
    }

    /// Refuses every other version.
    package mutating func version(_ version: Int) throws(Malformed) {
        _ = try integer("version", in: version...version) as Int
    }

    package mutating func flag(_ name: String) throws(Malformed) -> Bool {
        guard case .bool(let flag) = try node(name) else { throw Malformed(name) }
        return flag
    }

    package mutating func choice<Choice: RawRepresentable>(_ name: String) throws(Malformed) -> Choice
    where Choice.RawValue == String {
        guard case .string(let text) = try node(name), let choice = Choice(rawValue: text) else {
            throw Malformed(name)
        }
        return choice
    }

    package mutating func elements(_ name: String, limit: Int) throws(Malformed) -> [JSONNode] {
        guard case .array(let elements) = try node(name), elements.count <= limit else { throw Malformed(name) }
        return elements
    }

    package mutating func object(_ name: String, limit: Int) throws(Malformed) -> [(name: String, value: JSONNode)] {
        guard case .object(let members) = try node(name), members.count <= limit else { throw Malformed(name) }
        return members
    }

    /// Milliseconds with a fraction, as microseconds.
    package mutating func milliseconds(_ name: String) throws(Malformed) -> Int64 {
        guard case .number(let text) = try node(name), let value = Double(text), value >= 0, value < 1e9 else {
            throw Malformed(name)
        }
        return Int64((value * 1000).rounded())
    }

    package consuming func finish() throws(Malformed) {
        if let unknown = members.first { throw Malformed("unknown member \(unknown.name)") }
    }
}
