private import CNcurses
import JSON

/// A piece of a line in one style.
struct Span: Equatable {
    struct Style: OptionSet, Equatable {
        let rawValue: Int
        static let bold = Style(rawValue: 1)
        static let dim = Style(rawValue: 2)
        static let reverse = Style(rawValue: 4)
        static let red = Style(rawValue: 8)
        static let green = Style(rawValue: 16)
        static let yellow = Style(rawValue: 32)
        static let cyan = Style(rawValue: 64)
    }

    var text: String
    var style: Style = []
}

/// Draws a model as lines for a terminal of a given size.
struct TopScreen {
    let model: TopModel
    let width: Int
    let height: Int

    /// As many lines as the terminal has, none wider than it.
    var lines: [[Span]] {
        guard width >= 40, height >= 12 else { return [[Span(text: fit("wvsctl top needs 40x12", width))]] }
        if model.mode == .help { return helpLines }
        // Two lines of state, a title for each pane, one line for keys and questions.
        let rows = height - 6
        let share = rows / 3
        var lines = [stateLine, sparkLine]
        lines += list(.workspaces, "WORKSPACES", rows: share)
        lines += list(.tasks, "TASKS", rows: share)
        let rest = rows - 2 * share
        lines += model.followed == nil ? list(.snapshots, snapshotTitle, rows: rest) : detail(rows: rest)
        return lines + [bottomLine]
    }

    // MARK: Above

    private var stateLine: [Span] {
        let sight = model.sight
        var spans = [Span(text: "wvs ", style: .bold), Span(text: sight.server)]
        if let problem = sight.problem {
            spans.append(Span(text: "  \(problem)", style: [.red, .bold]))
        } else {
            let depth = Int(sight.depths.last ?? 0)
            spans.append(
                Span(
                    text: "  \(sight.workspaces.count) workspaces  \(depth)\(depth >= 100 ? "+" : "") waiting  "
                        + "\(sight.count("RUNNING")) running"))
            let bad = sight.count("DEAD")
            if bad > 0 { spans.append(Span(text: "  \(bad) dead", style: .red)) }
        }
        if !model.filter.isEmpty || model.mode == .filtering {
            spans.append(Span(text: "  filter: \(model.filter)", style: .cyan))
        }
        return clipped(spans)
    }

    private var sparkLine: [Span] {
        let windows = Array(model.sight.freezeWindows.suffix(24))
        let last = windows.last.map { "\(($0 * 10).rounded() / 10) ms" } ?? "none yet"
        let longest = windows.max().map { ", longest \(($0 * 10).rounded() / 10) ms" } ?? ""
        return clipped([
            Span(text: "freeze ", style: .dim), Span(text: sparkline(windows), style: .cyan),
            Span(text: " \(last)\(longest)  "), Span(text: "queue ", style: .dim),
            Span(text: sparkline(Array(model.sight.depths.suffix(24))), style: .yellow),
        ])
    }

    // MARK: Panes

    private var snapshotTitle: String { "SNAPSHOTS\(model.workspace.map { " OF \($0)" } ?? "")" }

    private func list(_ pane: TopModel.Pane, _ title: String, rows: Int) -> [[Span]] {
        let items: [JSONValue] =
            switch pane {
            case .workspaces: model.workspaces
            case .tasks: model.tasks
            case .snapshots: model.snapshots
            }
        let selection = model.selection(in: pane)
        let index = selection.flatMap(model.ids(pane).firstIndex) ?? 0
        // The selected row stays in sight.
        let first = max(0, min(index - rows / 2, items.count - rows))
        var lines = [titleLine(title, count: items.count, isFocused: model.pane == pane)]
        for row in first..<(first + rows) {
            guard row < items.count else {
                lines.append([Span(text: row == 0 ? "  none" : "", style: .dim)])
                continue
            }
            var spans = clipped(cells(pane, items[row]))
            if row == index, model.pane == pane {
                let text = spans.map(\.text).joined()
                spans = [Span(text: fit(text, width, pad: true), style: .reverse)]
            } else if row == index {
                spans = spans.map { Span(text: $0.text, style: $0.style.union(.bold)) }
            }
            lines.append(spans)
        }
        return lines
    }

    private func titleLine(_ title: String, count: Int, isFocused: Bool) -> [Span] {
        [
            Span(
                text: fit("\(isFocused ? "▸" : " ")\(title) \(count)", width),
                style: isFocused ? [.bold, .cyan] : .bold)
        ]
    }

    private func cells(_ pane: TopModel.Pane, _ item: JSONValue) -> [Span] {
        func cell(_ name: String, _ columns: Int) -> Span {
            Span(text: fit(oneLine(item.cell(name) ?? "-"), columns, pad: true) + " ")
        }
        func state(_ name: String, _ columns: Int) -> Span {
            var span = cell(name, columns)
            span.style = Self.style(ofState: item.cell(name) ?? "")
            return span
        }
        switch pane {
        case .workspaces:
            return [
                Span(text: "  "), cell("wsid", 24), state("state", 12), cell("owner", 12),
                cell("current_snapshot_id", 36),
            ]
        case .tasks:
            return [Span(text: "  "), time(item), cell("wsid", 20), cell("op", 15), state("status", 9), progress(item)]
        case .snapshots:
            let isCurrent = item.cell("snapshot_id") == currentSnapshot
            return [
                Span(text: isCurrent ? "* " : "  ", style: .green), cell("snapshot_id", 36), time(item),
                Span(text: oneLine(item.cell("message") ?? "")),
            ]
        }
    }

    private var currentSnapshot: String? {
        model.workspaces.first { $0.cell("wsid") == model.workspace }?.cell("current_snapshot_id")
    }

    /// The time of day of an RFC 3339 timestamp.
    private func time(_ item: JSONValue) -> Span {
        let text = item.cell("created_at") ?? ""
        let clock = text.split(separator: "T").last.map { String($0.prefix(8)) } ?? "-"
        return Span(text: fit(clock, 9, pad: true), style: .dim)
    }

    private func progress(_ task: JSONValue) -> Span {
        if let code = task["error"]?.cell("code") { return Span(text: code, style: .red) }
        if task.cell("status") == "RUNNING", let phase = task["progress"]?.cell("phase") {
            let entries = task["progress"]?.cell("entries") ?? "0"
            let frozen = task["progress"]?["frozen"] == true ? ", frozen" : ""
            return Span(text: "\(phase) \(entries)\(frozen)", style: .yellow)
        }
        let window = task["result"]?["receipt"]?["window_ms"]?.double
        return Span(text: window.map { "frozen \(($0 * 10).rounded() / 10) ms" } ?? "", style: .dim)
    }

    /// The task that is followed.
    private func detail(rows: Int) -> [[Span]] {
        let id = model.followed ?? ""
        var lines = [[Span(text: fit(" TASK \(id)", width), style: [.bold, .cyan])]]
        let task = model.sight.followed?.cell("task_id") == id ? model.sight.followed : nil
        if let task {
            lines.append(
                clipped([
                    Span(text: "  "),
                    Span(text: TaskWait.line(task), style: Self.style(ofState: task.cell("status") ?? "")),
                ]))
            for name in ["created_at", "started_at", "ended_at", "error", "result", "request_id"] {
                guard let value = task.cell(name) else { continue }
                lines.append(
                    clipped([Span(text: "  \(fit(name, 11, pad: true)) ", style: .dim), Span(text: oneLine(value))]))
            }
        } else {
            lines.append([Span(text: "  …", style: .dim)])
        }
        lines = Array(lines.prefix(rows + 1))
        return lines + Array(repeating: [], count: rows + 1 - lines.count)
    }

    // MARK: Below

    private var bottomLine: [Span] {
        switch model.mode {
        case .confirming(let action):
            // What is asked stays in sight, also where the whole sentence has no room.
            let sentence = "\(action.sentence)? y/N"
            let question = columns(sentence) <= width ? sentence : "y/N? \(action.sentence)"
            return clipped([Span(text: question, style: [.reverse, .bold])])
        case .typing(let question, let text):
            return clipped([Span(text: "\(question.prompt): ", style: .bold), Span(text: text + "▏")])
        case .filtering:
            return clipped([Span(text: "filter by workspace: ", style: .bold), Span(text: model.filter + "▏")])
        case .browsing, .help:
            if let notice = model.notice { return clipped([Span(text: oneLine(notice), style: .yellow)]) }
            return clipped([
                Span(text: "s snapshot  c set current  d drop  x cancel  n new  / filter  ⏎ follow  ? q", style: .dim)
            ])
        }
    }

    private var helpLines: [[Span]] {
        let keys = [
            ("↑ ↓ j k", "move; page up and down, home and end too"), ("tab", "next pane"),
            ("s", "take a snapshot of the selected workspace"),
            ("c", "set the selected workspace to the selected snapshot"), ("d", "drop the selected snapshot"),
            ("x", "cancel the selected or followed task"), ("n", "create a workspace"),
            ("/", "show only workspaces whose name contains a text"),
            ("enter", "follow the selected task"), ("esc", "stop following; clear the filter"), ("q", "quit"),
        ]
        var lines = [[Span(text: "wvsctl top", style: .bold)], []]
        lines += keys.map { [Span(text: "  \(fit($0.0, 10, pad: true))", style: .cyan), Span(text: $0.1)] }
        lines += [[], [Span(text: "Nothing is destroyed without a question. Any key goes back.", style: .dim)]]
        return lines.prefix(height).map(clipped)
    }

    // MARK: Pieces

    private static func style(ofState state: String) -> Span.Style {
        switch state {
        case "ACTIVE", "SUCCEEDED": .green
        case "PENDING", "RUNNING", "PROVISIONING": .yellow
        case "FAILED", "DEAD", "INIT_FAILED": .red
        default: []
        }
    }

    private func clipped(_ spans: [Span]) -> [Span] {
        var room = width
        var result: [Span] = []
        for span in spans where room > 0 {
            let text = fit(span.text, room)
            room -= columns(text)
            result.append(Span(text: text, style: span.style))
        }
        return result
    }
}

/// Values as blocks, the largest one full; zero is the lowest.
func sparkline(_ values: [Double]) -> String {
    let blocks = Array("▁▂▃▄▅▆▇█")
    guard let largest = values.max(), largest > 0 else { return String(repeating: "▁", count: values.count) }
    return String(values.map { blocks[min(7, Int(($0 / largest * 7).rounded()))] })
}

/// Cut to so many columns of a terminal, or filled up to them.
func fit(_ text: String, _ width: Int, pad: Bool = false) -> String {
    var result = ""
    var used = 0
    for character in text {
        let size = columns(String(character))
        if used + size > width { break }
        result.append(character)
        used += size
    }
    return pad ? result + String(repeating: " ", count: width - used) : result
}

/// How many columns a terminal gives a text.
func columns(_ text: String) -> Int {
    text.unicodeScalars.reduce(0) { $0 + Int(wvs_columns($1.value)) }
}
