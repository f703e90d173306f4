import JSON

extension Command {
    static let currentSet = Command(
        "current", "set", "roll a workspace back (or forward) to a snapshot", positionals: ["WSID", "SNAPSHOT_ID"],
        options: [
            Option("--discard", "also where it is current already: throw the agent's changes since then away")
        ] + Option.write + [Option.confirmation],
        example: "current set ws-1 0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f60 --wait"
    ) { invocation throws(CommandError) in
        let (id, snapshot) = try snapshotPath(invocation)
        var body: JSONObject = ["snapshot_id": .string(id)]
        if invocation.has("--discard") { body["discard"] = true }
        let wsid = invocation.argument("WSID")
        try Write(
            method: "POST", path: workspacePath(invocation) + "/current:set", body: .object(body),
            sentence: "set \(wsid) to snapshot \(id); what its agent changed since is no longer current",
            isDestructive: true, needs: .init(workspace: (workspacePath(invocation), .active), other: snapshot)
        ).perform(invocation)
    }
}
