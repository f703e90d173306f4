/// Rows under headings, columns as wide as their widest cell.
struct Table {
    private let headings: [String]
    private var rows: [[String]] = []

    init(_ headings: [String]) { self.headings = headings }

    mutating func add(_ cells: [String]) { rows.append(cells) }

    func text(_ terminal: Terminal) -> String {
        let widths = headings.indices.map { column in ([headings] + rows).map { $0[column].count }.max() ?? 0 }
        func line(_ cells: [String], paint: (String) -> String) -> String {
            var text = ""
            for (column, cell) in cells.enumerated() {
                let isLast = column == cells.count - 1
                // Painted after it was measured: escape sequences have no width.
                text += paint(cell) + (isLast ? "" : String(repeating: " ", count: widths[column] - cell.count + 2))
            }
            return text
        }
        return ([line(headings) { terminal.paint($0, .bold) }] + rows.map { line($0, paint: terminal.paint(state:)) })
            .joined(separator: "\n")
    }
}

/// Names and values, one pair a line.
func fieldsText(_ fields: [(String, String?)], _ terminal: Terminal) -> String {
    let width = fields.map(\.0.count).max() ?? 0
    return fields.map { name, value in
        let padding = String(repeating: " ", count: width - name.count + 2)
        return terminal.paint(name, .dim) + padding + terminal.paint(state: oneLine(value ?? "-"))
    }.joined(separator: "\n")
}
