import RuntimeCore

/// What the words of a command line mean.
enum ParsedLine {
    case help(String)
    case run(Command, positionals: [String: String], values: [String: String])
}

/// Understands `NOUN VERB ARGUMENTS OPTIONS`; options may stand anywhere after the verb, as `--name VALUE`, `--name=VALUE` or
/// `-o VALUE`.
enum CommandLineParser {
    static func parse(_ arguments: [String], commands: [Command]) throws(CommandError) -> ParsedLine {
        guard let noun = arguments.first, !["--help", "-h", "help"].contains(noun) else {
            return .help(overview(commands))
        }
        if noun == "--version" { return try parse(["version"], commands: commands) }
        if noun.hasPrefix("-") {
            throw CommandError(
                .usage, "option \(noun) stands before the command; options go after it", hint: "wvsctl --help")
        }
        let group = commands.filter { $0.noun == noun }
        guard !group.isEmpty else {
            let nouns = unique(commands.map(\.noun)).joined(separator: ", ")
            throw CommandError(.usage, "unknown command '\(noun)'; there are \(nouns)", hint: "wvsctl --help")
        }
        if let only = group.first, only.verb.isEmpty { return try parse(arguments.dropFirst(), for: only) }
        guard arguments.count > 1, !["--help", "-h"].contains(arguments[1]) else { return .help(overview(group)) }
        guard let command = group.first(where: { $0.verb == arguments[1] }) else {
            let verbs = group.map(\.verb).joined(separator: ", ")
            throw CommandError(
                .usage, "unknown command '\(noun) \(arguments[1])'; \(noun) can \(verbs)", hint: "wvsctl \(noun) --help"
            )
        }
        return try parse(arguments.dropFirst(2), for: command)
    }

    private static func parse(_ arguments: ArraySlice<String>, for command: Command) throws(CommandError) -> ParsedLine
    {
        func usage(_ problem: String) -> CommandError {
            CommandError(.usage, problem, hint: "\(command.usage)\n      wvsctl \(command.name) --help")
        }
        let options = command.options + Option.common
        var positionals: [String] = []
        var values: [String: String] = [:]
        var rest = arguments
        var takesOptions = true
        while let word = rest.popFirst() {
            if word == "--", takesOptions {
                takesOptions = false
                continue
            }
            guard takesOptions, word.hasPrefix("-"), word != "-" else {
                positionals.append(word)
                continue
            }
            let parts = word.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
            guard let option = options.first(where: { $0.name == parts[0] || $0.short == parts[0] }) else {
                throw usage("unknown option \(parts[0])")
            }
            if option.value == nil {
                guard parts.count == 1 else { throw usage("\(option.name) takes no value") }
                values[option.name] = ""
            } else if let value = parts.count == 2 ? parts[1] : rest.popFirst() {
                values[option.name] = value
            } else {
                throw usage("\(option.name): a value is missing")
            }
        }
        if values["--help"] != nil { return .help(help(command)) }
        guard positionals.count == command.positionals.count else {
            throw usage(
                positionals.count < command.positionals.count
                    ? "\(command.positionals[positionals.count]) is missing"
                    : "unexpected argument '\(positionals[command.positionals.count])'")
        }
        let named = Dictionary(uniqueKeysWithValues: zip(command.positionals, positionals))
        return .run(command, positionals: named, values: values)
    }

    private static func overview(_ commands: [Command]) -> String {
        var text =
            "wvsctl: snapshots and rollbacks of agent workspaces\n\nusage: wvsctl NOUN VERB [arguments] [options]\n\n"
        let width = commands.map(\.name.count).max() ?? 0
        for command in commands {
            let gap = String(repeating: " ", count: width - command.name.count + 2)
            text += "  \(command.name)\(gap)\(command.summary)\n"
        }
        text += "\nFor example:\n"
        for command in commands { text += "  wvsctl \(command.example)\n" }
        return text + "\nEvery command takes:\n" + describe(Option.common)
            + "\n\nExit status: 0 done, 1 failed, 2 usage, 3 not found, 4 not authorised, 5 conflict, 6 timed out waiting,\n"
            + "  7 task failed or canceled, 8 unreachable, 130 interrupted"
    }

    private static func help(_ command: Command) -> String {
        "\(command.summary)\n\nusage: \(command.usage)\n\n\(describe(command.options + Option.common))\n\nFor example:\n"
            + "  wvsctl \(command.example)"
    }

    private static func describe(_ options: [Option]) -> String {
        let left = options.map { option in
            [option.short, option.name].compactMap { $0 }.joined(separator: ", ")
                + (option.value.map { " \($0)" } ?? "")
        }
        let width = left.map(\.count).max() ?? 0
        return zip(left, options).map { left, option in
            "  \(left)\(String(repeating: " ", count: width - left.count + 2))\(option.help)"
        }.joined(separator: "\n")
    }
}
