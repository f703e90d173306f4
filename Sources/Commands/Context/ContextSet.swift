extension Command {
    static let contextSet = Command(
        "context", "set", "remember a server under a name", positionals: ["CONTEXT"],
        options: [Option("--metrics-url", value: "URL", "its metrics store, for obs (WVS_METRICS_URL)")],
        example: "context set lab --api-url http://127.0.0.1:8080"
    ) { invocation throws(CommandError) in
        let name = invocation.argument("CONTEXT")
        let path = Configuration.path(invocation.environment)
        var configuration = try Configuration.load(path)
        var context = configuration.contexts[name] ?? Configuration.Context()
        for (option, member) in [("--api-url", \Configuration.Context.apiURL), ("--metrics-url", \.metricsURL)] {
            guard let url = invocation.option(option) else { continue }
            context[keyPath: member] = try ServerURL.checked(url, option)
        }
        guard context.apiURL != nil else { throw CommandError(.usage, "--api-url is required for a new context") }
        configuration.contexts[name] = context
        // The first one is at once the one that is used.
        if configuration.current == nil { configuration.current = name }
        try configuration.save(path)
        invocation.output.terminal.say(
            configuration.current == name ? "context \(name) is in use" : "saved; wvsctl context use \(name)")
    }
}
