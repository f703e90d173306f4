import JSON

extension Command {
    static let currentGet = Command(
        "current", "get", "show which tree an agent works in", positionals: ["WSID"], example: "current get ws-1"
    ) { invocation throws(CommandError) in
        let answer = try invocation.client.get(workspacePath(invocation) + "/current").body
        invocation.output.show(
            answer["data"] ?? answer,
            View(
                name: "current_path", columns: [],
                members: ["wsid", "current_path", "current_snapshot_id", "updated_at"]))
    }
}
