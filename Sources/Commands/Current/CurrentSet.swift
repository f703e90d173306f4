import JSON

extension Command {
    static let currentSet = Command(
        "current", "set", "roll a workspace back (or forward) to a snapshot", positionals: ["WSID", "SNAPSHOT_ID"],
        options: [
            Option("--discard", "also where it is current already: throw the agent's changes since then away")
        ] + Option.write,
        example: "current set ws-1 0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f60 --wait"
    ) { invocation throws(CommandError) in
        var body: JSONObject = ["snapshot_id": .string(invocation.argument("SNAPSHOT_ID"))]
        if invocation.has("--discard") { body["discard"] = true }
        let key = idempotencyKey(invocation)
        let path = "/v1/workspaces/\(pathSegment(invocation.argument("WSID")))/current:set"
        try TaskWait.follow(
            invocation, try invocation.client.write("POST", path, body: .object(body), key: key), key: key)
    }
}
