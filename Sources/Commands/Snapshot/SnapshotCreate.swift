import JSON

extension Command {
    static let snapshotCreate = Command(
        "snapshot", "create", "take a snapshot", positionals: ["WSID"],
        options: [Option("--message", short: "-m", value: "TEXT", "what it is for")] + Option.write,
        example: "snapshot create ws-1 -m 'before the experiment' --wait"
    ) { invocation throws(CommandError) in
        var body: JSONObject = [:]
        body["message"] = invocation.option("--message").map(JSONValue.string)
        try Write(
            method: "POST", path: workspacePath(invocation) + "/snapshots", body: .object(body),
            sentence: "take a snapshot of \(invocation.argument("WSID"))",
            needs: .init(workspace: (workspacePath(invocation), .active))
        ).perform(invocation)
    }
}
