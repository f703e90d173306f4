import JSON

/// The form in which a command's data goes to standard output.
struct Output {
    enum Form: String, CaseIterable { case table, wide, json, jsonl, yaml, name }

    let form: Form
    let terminal: Terminal
    let isVerbose: Bool

    /// One thing: the API's own data, or its fields a line each.
    func show(_ value: JSONValue, _ view: View) {
        switch form {
        case .table, .wide: print(fieldsText(view.fields(of: value), terminal))
        case .json: print(value.indented)
        case .jsonl: print(value.text)
        case .yaml: print(YAML.text(value))
        case .name: print(value.cell(view.name) ?? "")
        }
    }

    /// A page of a list, `{"items": […], "next_cursor": …}`.
    func list(_ page: JSONValue, _ view: View) {
        let items = page["items"]?.array ?? []
        switch form {
        case .table, .wide: print(view.table(items, isWide: form == .wide).text(terminal))
        case .json: print(page.indented)
        case .jsonl: for item in items { print(item.text) }
        case .yaml: print(YAML.text(page))
        case .name: for item in items { print(item.cell(view.name) ?? "") }
        }
    }
}

/// How a person sees one kind of thing.
struct View {
    struct Column {
        let title: String
        let isWide: Bool
        let cell: @Sendable (JSONValue) -> String?
    }

    /// The member that names it, for `-o name`.
    let name: String
    private let columns: [Column]
    private let members: [String]

    /// - Parameter members: shown for a single one, in this order; nil shows all that there are.
    init(name: String, columns: [Column], members: [String] = []) {
        self.name = name
        self.columns = columns
        self.members = members
    }

    func fields(of value: JSONValue) -> [(String, String?)] {
        let names = members.isEmpty ? value.object?.names ?? [] : members
        return names.map { ($0, value.cell($0)) }
    }

    func table(_ items: [JSONValue], isWide: Bool) -> Table {
        let shown = columns.filter { isWide || !$0.isWide }
        var table = Table(shown.map(\.title))
        for item in items { table.add(shown.map { oneLine($0.cell(item) ?? "-") }) }
        return table
    }
}

extension View.Column {
    /// A member as it stands.
    static func member(_ name: String, _ title: String, wide: Bool = false) -> View.Column {
        View.Column(title: title, isWide: wide) { $0.cell(name) }
    }
}

/// Text from elsewhere as one cell: a line break or an escape sequence in it must not reach the terminal.
func oneLine(_ text: String) -> String {
    String(
        String.UnicodeScalarView(
            text.unicodeScalars.map { $0.value < 0x20 || (0x7F..<0xA0).contains($0.value) ? " " : $0 }))
}

extension JSONValue {
    /// A member as a cell shows it; nil for null or none.
    func cell(_ name: String) -> String? {
        switch self[name] {
        case nil, .null: nil
        case .string(let text): text
        case let value?: value.text
        }
    }

    /// JSON with two spaces for each level.
    var indented: String {
        var text = ""
        indent(to: &text, level: 0)
        return text
    }

    private func indent(to text: inout String, level: Int) {
        let inner = String(repeating: "  ", count: level + 1)
        let outer = String(repeating: "  ", count: level)
        switch self {
        case .object(let object) where !object.members.isEmpty:
            text += "{\n"
            for (index, member) in object.members.enumerated() {
                text += index > 0 ? ",\n" : ""
                text += "\(inner)\(JSONValue.string(member.name).text): "
                member.value.indent(to: &text, level: level + 1)
            }
            text += "\n\(outer)}"
        case .array(let elements) where !elements.isEmpty:
            text += "[\n"
            for (index, element) in elements.enumerated() {
                text += index > 0 ? ",\n\(inner)" : inner
                element.indent(to: &text, level: level + 1)
            }
            text += "\n\(outer)]"
        default: text += self.text
        }
    }
}
