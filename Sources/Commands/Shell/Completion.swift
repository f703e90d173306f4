import JSON

extension Command {
    static let completion = Command(
        "completion", "", "print what makes a shell complete wvsctl's words", positionals: ["bash|zsh|fish"],
        example: "completion bash"
    ) { invocation throws(CommandError) in
        let shell = invocation.argument("bash|zsh|fish")
        guard let script = Completion.scripts[shell] else {
            throw CommandError(.usage, "'\(shell)' is not one of bash, zsh, fish")
        }
        print(script)
    }
}

/// What may stand at the end of a command line. The shells ask wvsctl itself, so that ids come from the server.
enum Completion {
    /// The hidden first argument with which the scripts ask; the words so far follow it, the last one unfinished.
    static let query = "__complete"

    static let scripts = [
        "bash": """
        # wvsctl completion bash > /etc/bash_completion.d/wvsctl
        _wvsctl() {
            local IFS=$'\\n'
            COMPREPLY=($(wvsctl \(query) "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null))
        }
        complete -o default -F _wvsctl wvsctl
        """,
        "zsh": """
        #compdef wvsctl
        # wvsctl completion zsh > "${fpath[1]}/_wvsctl"
        _wvsctl() {
            local -a found
            found=("${(@f)$(wvsctl \(query) "${(@)words[2,CURRENT]}" 2>/dev/null)}")
            compadd -- "${found[@]}"
        }
        compdef _wvsctl wvsctl
        """,
        "fish": """
        # wvsctl completion fish > ~/.config/fish/completions/wvsctl.fish
        complete -c wvsctl -f -a '(wvsctl \(query) (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
        """,
    ]

    /// Prints the candidates, one a line; nothing where a server does not answer.
    static func answer(_ words: [String], environment: [String: String]) {
        for candidate in candidates(words, environment: environment) where candidate.hasPrefix(words.last ?? "") {
            print(candidate)
        }
    }

    static func candidates(_ words: [String], environment: [String: String]) -> [String] {
        let before = words.dropLast()
        guard let noun = before.first else { return unique(Command.all.map(\.noun)) }
        let group = Command.all.filter { $0.noun == noun }
        guard let only = group.first, only.verb.isEmpty else {
            guard before.count > 1 else { return group.map(\.verb) }
            guard let command = group.first(where: { $0.verb == words[1] }) else { return [] }
            return candidates(Array(before.dropFirst(2)), unfinished: words.last ?? "", command, environment)
        }
        return candidates(Array(before.dropFirst()), unfinished: words.last ?? "", only, environment)
    }

    private static func candidates(
        _ words: [String], unfinished: String, _ command: Command, _ environment: [String: String]
    ) -> [String] {
        let options = command.options + Option.common
        var positionals: [String] = []
        var values: [String: String] = [:]
        var open: Option?
        for word in words {
            if let option = open {
                values[option.name] = word
                open = nil
            } else if let option = options.first(where: { $0.name == word || $0.short == word }) {
                open = option.value == nil ? nil : option
            } else if !word.hasPrefix("-") {
                positionals.append(word)
            }
        }
        let asked = Asked(values: values, environment: environment)
        if let open { return suggestions(for: open.value ?? "", wsid: nil, asked) }
        if unfinished.hasPrefix("-") { return options.map(\.name) }
        guard positionals.count < command.positionals.count else { return [] }
        return suggestions(for: command.positionals[positionals.count], wsid: positionals.first, asked)
    }

    private static func suggestions(for name: String, wsid: String?, _ asked: Asked) -> [String] {
        switch name {
        case "WSID": asked.ids("/v1/workspaces", "wsid")
        case "SNAPSHOT_ID": asked.ids("/v1/workspaces/\(pathSegment(wsid ?? ""))/snapshots", "snapshot_id")
        case "TASK_ID": asked.ids("/v1/tasks", "task_id")
        case "CONTEXT": asked.contexts
        default: name.contains("|") ? name.split(separator: "|").map(String.init) : []
        }
    }

    /// The server that the words so far name.
    private struct Asked {
        let values: [String: String]
        let environment: [String: String]

        /// Best effort: a shell's prompt is no place for errors.
        func ids(_ list: String, _ member: String) -> [String] {
            let invocation = Invocation(
                output: Output(
                    form: .name, terminal: Terminal(color: .never, environment: environment), isVerbose: false),
                environment: environment, positionals: [:], values: values)
            do {
                let page = try invocation.client.get(list + "?limit=100", timeout: .seconds(2)).body
                return (page["items"]?.array ?? []).compactMap { $0.cell(member) }
            } catch {
                return []
            }
        }

        var contexts: [String] {
            do {
                return try Configuration.load(Configuration.path(environment)).contexts.keys.sorted()
            } catch {
                return []
            }
        }
    }
}

/// In the order in which they come first.
func unique(_ names: [String]) -> [String] { names.reduce(into: []) { if !$0.contains($1) { $0.append($1) } } }
