private import Glibc

/// Reads a program's settings: an environment variable each, and a `--flag` that goes before it.
///
/// The flag is the variable without its `WVS_`, `WORKER_` or `EXECUTOR_` prefix, in kebab case (design 10). Every problem is
/// collected, so that a person sees all of them at once; until `finish()` has returned the values mean nothing.
package struct SettingsReader {
    struct Setting {
        let variable: String
        let flag: String
        let expected: String
        let fallback: String?
        /// What the default is where it depends on the machine.
        let origin: String?
        let help: String
    }

    let program: String
    let summary: String
    let operands: String
    let offersHealthCheck: Bool
    private let environment: [String: String]
    private var flags: [String: String] = [:]
    /// Flags without a value, or with an empty one, which a script leaves behind that has lost it.
    private var valueless: Set<String> = []
    private var wantsHelp = false
    private var wantsMarkdown = false
    private var wantsVersion = false
    /// `--healthcheck` was given: ask the program that runs with these settings whether it is ready.
    package private(set) var wantsHealthCheck = false
    private(set) var known: [Setting] = []
    private var problems: [String] = []

    /// - Parameters:
    ///   - arguments: without the program's own name; `--flag VALUE` or `--flag=VALUE`.
    ///   - operands: what follows the flags, for `--help`, for example `-- CMD [ARG]...`; the caller has taken it off.
    ///   - switches: flags that may also stand alone, for true.
    ///   - offersHealthCheck: whether there is a `--healthcheck`; see `load`.
    package init(
        program: String, summary: String, environment: [String: String], arguments: [String], operands: String = "",
        switches: Set<String> = [], offersHealthCheck: Bool = false
    ) {
        self.program = program
        self.summary = summary
        self.operands = operands
        self.offersHealthCheck = offersHealthCheck
        self.environment = environment
        var rest = arguments[...]
        while let argument = rest.popFirst() {
            if argument == "--help" || argument == "-h" {
                wantsHelp = true
            } else if argument == "--help=markdown" {
                wantsMarkdown = true
            } else if argument == "--version" {
                wantsVersion = true
            } else if argument == "--healthcheck", offersHealthCheck {
                wantsHealthCheck = true
            } else if argument.hasPrefix("--") {
                let parts = argument.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                let flag = String(parts[0])
                let value: String? =
                    if parts.count == 2 {
                        String(parts[1])
                    } else {
                        switches.contains(flag) ? "1" : rest.popFirst()
                    }
                flags[flag] = value
                if value?.isEmpty ?? true { valueless.insert(flag) }
            } else {
                let form = "settings are --flag VALUE\(operands.isEmpty ? "" : ", then \(operands)")"
                problems.append("unexpected argument '\(argument)'; \(form), see --help")
            }
        }
    }

    /// Reads one setting, as `parse` understands it.
    ///
    /// - Parameters:
    ///   - fallback: the default as text; nil makes the setting required.
    ///   - origin: what the default is where it depends on the machine, for example `the machine's name`.
    ///   - expected: what is allowed, for the error and `--help`, for example `a duration such as 30s or 250ms`.
    ///   - placeholder: stands in while a problem is pending; never seen after `finish()`.
    package mutating func value<Value>(
        _ variable: String, default fallback: String?, origin: String? = nil, expected: String, help: String,
        placeholder: Value, parse: (String) -> Value?
    ) -> Value {
        let setting = Setting(
            variable: variable, flag: Self.flag(variable), expected: expected, fallback: fallback, origin: origin,
            help: help)
        known.append(setting)
        guard !valueless.contains(setting.flag) else {
            problems.append("\(setting.flag): a value is missing: \(expected)")
            return placeholder
        }
        // An empty variable counts as unset: compose files and unit files write them.
        let given = flags[setting.flag] ?? environment[variable].flatMap { $0.isEmpty ? nil : $0 }
        guard let text = given ?? fallback else {
            problems.append("\(variable) (\(setting.flag)) is required: \(expected)")
            return placeholder
        }
        guard let value = parse(text) else {
            // The value stays out of the message: it may be a secret.
            problems.append("\(variable) (\(setting.flag)) is malformed: expected \(expected)")
            return placeholder
        }
        return value
    }

    package mutating func string(
        _ variable: String, default fallback: String? = nil, origin: String? = nil, expected: String, _ help: String
    ) -> String {
        value(variable, default: fallback, origin: origin, expected: expected, help: help, placeholder: "") { $0 }
    }

    package mutating func duration(_ variable: String, default fallback: String, _ help: String) -> Duration {
        value(
            variable, default: fallback, expected: "a duration above zero, such as 30s, 250ms or 1m30s", help: help,
            placeholder: .zero
        ) { text in Duration(text: text).flatMap { $0 > .zero ? $0 : nil } }
    }

    package mutating func integer(
        _ variable: String, default fallback: Int, origin: String? = nil, in range: ClosedRange<Int>, _ help: String
    ) -> Int {
        let upper = range.upperBound == .max ? "or more" : "to \(range.upperBound)"
        return value(
            variable, default: String(fallback), origin: origin,
            expected: "a whole number, \(range.lowerBound) \(upper)", help: help, placeholder: fallback
        ) { text in Int(text).flatMap { range.contains($0) ? $0 : nil } }
    }

    package mutating func flag(_ variable: String, _ help: String) -> Bool {
        value(variable, default: "0", expected: "1, true, 0 or false", help: help, placeholder: false) { text in
            switch text.lowercased() {
            case "1", "true": true
            case "0", "false": false
            default: nil
            }
        }
    }

    package mutating func choice<Choice: RawRepresentable & CaseIterable>(
        _ variable: String, default fallback: Choice, _ help: String
    ) -> Choice where Choice.RawValue == String {
        let allowed = Choice.allCases.map(\.rawValue).joined(separator: ", ")
        return value(
            variable, default: fallback.rawValue, expected: "one of \(allowed)", help: help, placeholder: fallback
        ) { Choice(rawValue: $0) }
    }

    package mutating func address(_ variable: String, default fallback: String? = nil, _ help: String) -> SocketAddress
    {
        value(
            variable, default: fallback, expected: "HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080", help: help,
            placeholder: SocketAddress(host: "", port: 0), parse: SocketAddress.init)
    }

    package mutating func logLevel() -> Logger.Level { choice("WVS_LOG_LEVEL", default: .info, "lowest level logged") }

    /// Adds a rule between settings, for example that one must be below another.
    package mutating func require(_ condition: Bool, _ problem: String) {
        if !condition, problems.isEmpty { problems.append(problem) }
    }

    /// Throws what `--help` or `--version` asked for, or all problems.
    package mutating func finish() throws(SettingsError) {
        if wantsHelp { throw .information(help) }
        if wantsMarkdown { throw .information(markdown) }
        if wantsVersion { throw .information("\(program) \(Version.current)") }
        for flag in valueless.union(flags.keys).sorted() where !known.contains(where: { $0.flag == flag }) {
            problems.append("unknown flag \(flag); see \(program) --help")
        }
        if !problems.isEmpty { throw .invalid(problems.map { "\(program): \($0)" }.joined(separator: "\n")) }
    }

    /// `EXECUTOR_TASK_TIMEOUT` is `--task-timeout`.
    private static func flag(_ variable: String) -> String {
        let prefix = ["WVS_", "WORKER_", "EXECUTOR_"].first { variable.hasPrefix($0) } ?? ""
        return "--" + variable.dropFirst(prefix.count).lowercased().replacing("_", with: "-")
    }
}

/// Why a program does not start.
package enum SettingsError: Error {
    /// What `--help` or `--version` prints; exit status 0.
    case information(String)
    /// Settings are missing or malformed, a line each; exit status 2.
    case invalid(String)
}

extension SettingsReader {
    /// The settings of this process, or the end of it: `--help` and `--version` to standard output and status 0, problems to
    /// standard error and status 2; `--healthcheck` with status 0 or 1.
    ///
    /// - Parameter readiness: where a program with these settings serves `/readyz`.
    package static func load<Settings>(
        program: String, summary: String, readiness: (Settings) -> SocketAddress,
        _ make: (inout SettingsReader) -> Settings
    ) -> Settings {
        var reader = SettingsReader(
            program: program, summary: summary, environment: Process.environment,
            arguments: Array(CommandLine.arguments.dropFirst()), offersHealthCheck: true)
        let settings = make(&reader)
        do {
            try reader.finish()
            guard reader.wantsHealthCheck else { return settings }
            let problem = HealthCheck.problem(at: readiness(settings))
            if let problem { writeToStandardError("\(program): not ready: \(problem)\n") }
            exit(problem == nil ? 0 : 1)
        } catch {
            switch error {
            case .information(let text):
                print(text)
                exit(0)
            case .invalid(let text):
                writeToStandardError(text + "\n")
                exit(2)
            }
        }
    }
}

/// Writes text for a person; logs go through `Logger`.
package func writeToStandardError(_ text: String) {
    var text = text
    _ = text.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
}

/// What this process was given.
package enum Process {
    package static var environment: [String: String] {
        var result: [String: String] = [:]
        var entry = environ
        while let pointer = entry.pointee {
            let parts = String(cString: pointer).split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            if parts.count == 2 { result[String(parts[0])] = String(parts[1]) }
            entry += 1
        }
        return result
    }
}

/// `HOST:PORT`, with IPv6 hosts in brackets.
package struct SocketAddress: Equatable, Hashable, Sendable, CustomStringConvertible {
    /// A name or an address, without brackets.
    package let host: String
    /// 0 means any free port.
    package let port: UInt16

    package init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }

    package init?(_ text: String) {
        guard let colon = text.lastIndex(of: ":"), let port = UInt16(text[text.index(after: colon)...]) else {
            return nil
        }
        var host = text[..<colon]
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = host.dropFirst().dropLast()
        } else if host.contains(":") {
            return nil
        }
        guard !host.isEmpty else { return nil }
        self.init(host: String(host), port: port)
    }

    package var description: String { host.contains(":") ? "[\(host)]:\(port)" : "\(host):\(port)" }
}

/// Which WVS this is.
package enum Version {
    package static let current = "0.1.0"
}
