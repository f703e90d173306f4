import JSON

extension Command {
    static let snapshotCreate = Command(
        "snapshot", "create", "take a snapshot", positionals: ["WSID"],
        options: [Option("--message", short: "-m", value: "TEXT", "what it is for")] + Option.write,
        example: "snapshot create ws-1 -m 'before the experiment' --wait"
    ) { invocation throws(CommandError) in
        var body: JSONObject = [:]
        body["message"] = invocation.option("--message").map(JSONValue.string)
        let key = idempotencyKey(invocation)
        let path = "/v1/workspaces/\(pathSegment(invocation.argument("WSID")))/snapshots"
        try TaskWait.follow(
            invocation, try invocation.client.write("POST", path, body: .object(body), key: key), key: key)
    }
}
