/// One verb of wvsctl: what it takes, how `--help` shows it, and what it does.
struct Command: Sendable {
    let noun: String
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
        workspaceCreate, workspaceGet, snapshotCreate, snapshotList, snapshotGet, snapshotDrop, currentGet, currentSet,
        taskGet,
    ]

    var usage: String {
        (["wvsctl", noun, verb] + positionals + (options.isEmpty ? [] : ["[options]"])).joined(separator: " ")
    }
}

/// A flag, with the name of its value or without one.
struct Option: Sendable {
    let name: String
    let short: String?
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
        Option("--api-url", value: "URL", "wvs-api's address (WVS_API_URL) [http://127.0.0.1:8080]"),
        Option("--output", short: "-o", value: "table|json", "form of the data on standard output [table]"),
        Option("--json", "short for --output json"),
        Option("--color", value: "auto|always|never", "colours; NO_COLOR is respected [auto]"),
        Option("--verbose", short: "-v", "also say the idempotency key and where the task is"),
        Option("--help", short: "-h", "show this"),
    ]

    /// What every write takes.
    static let write: [Option] = [
        Option("--idempotency-key", value: "KEY", "repeat a request safely: the same key makes one task [a new one]"),
        Option("--wait", "wait until the task has ended"),
        Option("--timeout", value: "DURATION", "how long to wait, such as 90s [10m]"),
    ]
}

/// A parsed command line.
struct Invocation {
    let client: APIClient
    let output: Output
    private let positionals: [String: String]
    private let values: [String: String]

    init(client: APIClient, output: Output, positionals: [String: String], values: [String: String]) {
        self.client = client
        self.output = output
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
}
