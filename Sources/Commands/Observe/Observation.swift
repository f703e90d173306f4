import JSON
import RuntimeCore

/// One `obs` command: its window, the store, and the rows that it shows.
struct Observation {
    /// What `obs` commands take.
    static let options: [Option] = [
        Option("--since", value: "DURATION", "how far back to look, such as 15m or 24h [1h]"),
        Option("--metrics-url", value: "URL", "where PromQL is answered (WVS_METRICS_URL) [http://127.0.0.1:8428]"),
    ]

    /// PromQL's range, for example `3600s`.
    let window: String
    private let invocation: Invocation
    private let store: MetricsClient
    /// The store knows the metric that the command is about. Where it does not nothing is shown as 0.
    private let hasData: Bool

    /// - Parameter metric: what the command is about; there is no data where the store has none of it in the window.
    init(_ invocation: Invocation, of metric: String) throws(CommandError) {
        let since = try invocation.duration("--since", default: "1h")
        window = "\(max(1, since.components.seconds))s"
        self.invocation = invocation
        store = try MetricsClient(baseURL: try invocation.metricsURL)
        hasData = try !store.query("count(last_over_time(\(metric)[\(window)]))").isEmpty
    }

    /// One number; nil where the store has none.
    func number(_ expression: String) throws(CommandError) -> Double? {
        hasData ? try store.query(expression).first?.value : nil
    }

    /// A number for each value of a label.
    func numbers(_ expression: String, by label: String) throws(CommandError) -> [String: Double] {
        var found: [String: Double] = [:]
        guard hasData else { return found }
        for sample in try store.query(expression) { found[sample.labels[label] ?? ""] = sample.value }
        return found
    }

    /// How much a counter rose in the window; 0 where it has never been counted.
    func rise(_ counter: String, _ selector: String = "") -> String {
        "(sum(increase(\(counter)\(selector.isEmpty ? "" : "{\(selector)}")[\(window)])) or vector(0))"
    }

    /// A quantile of a histogram of seconds, in milliseconds.
    func quantile(_ quantile: Double, _ histogram: String, by label: String? = nil) -> String {
        let labels = (["le"] + (label.map { [$0] } ?? [])).joined(separator: ", ")
        return "1000 * histogram_quantile(\(quantile), sum(increase(\(histogram)_bucket[\(window)])) by (\(labels)))"
    }

    /// One object of names and numbers; null is what nothing was measured for.
    func show(_ values: [(String, Double?, Unit)]) {
        var object = JSONObject()
        for (name, value, _) in values { object[name] = value.map(JSONValue.number) ?? .null }
        if !hasData { sayNoData() }
        guard [.table, .wide].contains(invocation.output.form) else {
            return invocation.output.show(.object(object), View(name: values.first?.0 ?? "", columns: []))
        }
        print(fieldsText(values.map { ($0.0, $0.1.map($0.2.text)) }, invocation.output.terminal))
    }

    /// A row for each operation.
    func show(rows: [String], _ columns: [(title: String, member: String, values: [String: Double], unit: Unit)]) {
        if !hasData { sayNoData() }
        let items = rows.map { row -> JSONValue in
            var object: JSONObject = ["op": .string(row)]
            for column in columns { object[column.member] = column.values[row].map(JSONValue.number) ?? .null }
            return .object(object)
        }
        let shown = columns.map { column in
            View.Column(title: column.title, isWide: false) { $0[column.member]?.double.map(column.unit.text) }
        }
        invocation.output.list(
            ["items": .array(items)], View(name: "op", columns: [.member("op", "OP")] + shown))
    }

    private func sayNoData() {
        invocation.output.terminal.say(
            "no data yet for the last \(window): has anything run, and does vmagent scrape the services?")
    }

    /// How a number is told to a person.
    enum Unit {
        case count, ratio, milliseconds, seconds

        @Sendable func text(_ value: Double) -> String {
            switch self {
            case .count: String(Int(value.rounded()))
            case .ratio: "\(Self.short(value * 100)) %"
            case .milliseconds: "\(Self.short(value)) ms"
            case .seconds: "\(Self.short(value)) s"
            }
        }

        private static func short(_ value: Double) -> String {
            value >= 100 ? String(Int(value.rounded())) : String((value * 10).rounded() / 10)
        }
    }
}
