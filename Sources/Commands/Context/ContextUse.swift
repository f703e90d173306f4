extension Command {
    static let contextUse = Command(
        "context", "use", "use a server from now on", positionals: ["CONTEXT"], example: "context use lab"
    ) { invocation throws(CommandError) in
        let name = invocation.argument("CONTEXT")
        let path = Configuration.path(invocation.environment)
        var configuration = try Configuration.load(path)
        _ = try configuration.context(named: name)
        configuration.current = name
        try configuration.save(path)
        invocation.output.terminal.say("context \(name) is in use")
    }
}
