extension Command {
    static let contextDelete = Command(
        "context", "delete", "forget a server", positionals: ["CONTEXT"], example: "context delete lab"
    ) { invocation throws(CommandError) in
        let name = invocation.argument("CONTEXT")
        let path = Configuration.path(invocation.environment)
        var configuration = try Configuration.load(path)
        _ = try configuration.context(named: name)
        configuration.contexts[name] = nil
        if configuration.current == name { configuration.current = nil }
        try configuration.save(path)
        invocation.output.terminal.say("context \(name) is forgotten")
    }
}
