import JSON

/// The form in which a command's data goes to standard output.
struct Output {
    enum Form: String, CaseIterable { case table, json }

    let form: Form
    let terminal: Terminal
    let isVerbose: Bool

    /// The API's own JSON, or what `table` makes of it.
    func print(_ data: JSONValue, table: (JSONValue) -> String) {
        Swift.print(form == .json ? data.text : table(data))
    }
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
}
