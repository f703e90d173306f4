import RuntimeCore

/// One verb of wvsctl: what it takes, how `--help` shows it, and what it does.
struct Command: Sendable {
    let noun: String
    /// Empty where the noun says it all.
    let verb: String
    let summary: String
    /// Names of the positional arguments, all required.
    let positionals: [String]
    let options: [Option]
    /// A command line to learn from, without the program's name.
    let example: String
    let run: @Sendable (Invocation) throws(CommandError) -> Void

    init(
        _ noun: String, _ verb: String, _ summary: String, positionals: [String], options: [Option] = [],
        example: String, run: @escaping @Sendable (Invocation) throws(CommandError) -> Void
    ) {
        self.noun = noun
        self.verb = verb
        self.summary = summary
        self.positionals = positionals
        self.options = options
        self.example = example
        self.run = run
    }

    static let all: [Command] = [
        workspaceCreate, workspaceGet, workspaceList, workspaceRetryInit, workspaceDisable,
        snapshotCreate, snapshotGet, snapshotList, snapshotDrop,
        currentGet, currentSet,
        taskGet, taskList, taskWatch, taskCancel,
        auditList,
        obsSummary, obsLatency, obsQueue, obsQuiesce,
        contextList, contextSet, contextUse, contextDelete,
        top, completion, version,
    ]

    /// As it is called: `snapshot create`, or `version`.
    var name: String { verb.isEmpty ? noun : "\(noun) \(verb)" }

    var usage: String {
        (["wvsctl", name] + positionals + (options.isEmpty ? [] : ["[options]"])).joined(separator: " ")
    }
}

/// A flag, with the name of its value or without one.
struct Option: Sendable {
    let name: String
    let short: String?
    /// What stands for its value in `--help`; alternatives are separated by `|`.
    let value: String?
    let help: String

    init(_ name: String, short: String? = nil, value: String? = nil, _ help: String) {
        self.name = name
        self.short = short
        self.value = value
        self.help = help
    }

    /// What every command takes.
    static let common: [Option] = [
        Option("--output", short: "-o", value: "table|wide|json|jsonl|yaml|name", "form of the data [table]"),
        Option("--json", "short for --output json"),
        Option("--context", value: "CONTEXT", "which server: see context list (WVS_CONTEXT)"),
        Option("--api-url", value: "URL", "wvs-api's address (WVS_API_URL) [http://127.0.0.1:8080]"),
        Option("--color", value: "auto|always|never", "colours; NO_COLOR is respected [auto]"),
        Option("--verbose", short: "-v", "also say the idempotency key and the request id"),
        Option("--help", short: "-h", "show this"),
    ]

    /// What every change takes.
    static let dryRun = Option(
        "--dry-run", "look whether what it names is there, and say what would be asked for; change nothing")

    /// What every write that makes a task takes.
    static let write: [Option] =
        [
            dryRun,
            Option(
                "--idempotency-key", value: "KEY", "repeat a request safely: the same key makes one task [a new one]"),
        ] + wait

    /// What waits for a task takes.
    static let wait: [Option] = [
        Option("--wait", "wait until the task has ended"),
        Option("--timeout", value: "DURATION", "how long to wait, such as 90s [10m]"),
    ]

    /// What asks before it destroys takes.
    static let confirmation = Option("--yes", short: "-y", "do not ask; without a terminal nothing is asked")

    /// What every list takes.
    static let page: [Option] = [
        Option("--limit", value: "N", "how many, 1 to 100 [20]"),
        Option("--cursor", value: "CURSOR", "continue where the page before ended"),
        Option("--all", "all pages"),
    ]
}

/// A parsed command line, and the servers that it speaks to.
final class Invocation {
    let output: Output
    let environment: [String: String]
    private let positionals: [String: String]
    private let values: [String: String]
    private var connected: APIClient?

    init(output: Output, environment: [String: String], positionals: [String: String], values: [String: String]) {
        self.output = output
        self.environment = environment
        self.positionals = positionals
        self.values = values
    }

    /// A positional argument that the command declared.
    func argument(_ name: String) -> String {
        guard let value = positionals[name] else { preconditionFailure("\(name) is not declared") }
        return value
    }

    func option(_ name: String) -> String? { values[name] }

    func has(_ name: String) -> Bool { values[name] != nil }

    func integer(_ name: String, in range: ClosedRange<Int>) throws(CommandError) -> Int? {
        guard let text = values[name] else { return nil }
        guard let number = Int(text), range.contains(number) else {
            throw CommandError(.usage, "\(name): expected a whole number, \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    func duration(_ name: String, default fallback: String) throws(CommandError) -> Duration {
        guard let duration = Duration(text: values[name] ?? fallback), duration > .zero else {
            throw CommandError(.usage, "\(name): expected a duration above zero, such as 90s or 10m")
        }
        return duration
    }

    // MARK: Servers

    /// wvs-api: by option, variable, context, or on this machine.
    var client: APIClient {
        get throws(CommandError) {
            if let connected { return connected }
            let url =
                try server("--api-url", "WVS_API_URL", \.apiURL) ?? "http://127.0.0.1:8080"
            let client = try APIClient(baseURL: url, isVerbose: output.isVerbose)
            connected = client
            return client
        }
    }

    /// The metrics store, by the same rules.
    var metricsURL: String {
        get throws(CommandError) {
            try server("--metrics-url", "WVS_METRICS_URL", \.metricsURL) ?? "http://127.0.0.1:8428"
        }
    }

    private func server(_ option: String, _ variable: String, _ member: KeyPath<Configuration.Context, String?>)
        throws(CommandError) -> String?
    {
        if let url = values[option] { return try ServerURL.checked(url, option) }
        // A context that is asked for goes before what the shell happens to export.
        let named = values["--context"]
        if named == nil, let url = set(variable) { return try ServerURL.checked(url, variable) }
        let configuration = try Configuration.load(Configuration.path(environment))
        guard let url = try configuration.context(named: named ?? set("WVS_CONTEXT"))?[keyPath: member] else {
            return nil
        }
        return try ServerURL.checked(url, "the context's \(option.dropFirst(2))")
    }

    /// A variable that is there and not empty.
    private func set(_ variable: String) -> String? { environment[variable].flatMap { $0.isEmpty ? nil : $0 } }
}
