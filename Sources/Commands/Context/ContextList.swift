import JSON

extension Command {
    static let contextList = Command(
        "context", "list", "list the servers that are known", positionals: [], example: "context list"
    ) { invocation throws(CommandError) in
        let configuration = try Configuration.load(Configuration.path(invocation.environment))
        let items = configuration.contexts.sorted { $0.key < $1.key }.map { name, context -> JSONValue in
            [
                "name": .string(name), "current": .bool(name == configuration.current),
                "api_url": JSONValue(context.apiURL), "metrics_url": JSONValue(context.metricsURL),
            ]
        }
        invocation.output.list(
            ["items": .array(items)],
            View(
                name: "name",
                columns: [
                    View.Column(title: "", isWide: false) { $0["current"] == true ? "*" : " " },
                    .member("name", "NAME"), .member("api_url", "API"), .member("metrics_url", "METRICS"),
                ]))
    }
}
