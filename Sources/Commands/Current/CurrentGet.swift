import JSON

extension Command {
    static let currentGet = Command(
        "current", "get", "show which tree an agent works in", positionals: ["WSID"], example: "current get ws-1"
    ) { invocation throws(CommandError) in
        let path = "/v1/workspaces/\(pathSegment(invocation.argument("WSID")))/current"
        invocation.output.print(try invocation.client.get(path).body) { answer in
            let current = answer["data"] ?? .null
            return fieldsText(
                ["wsid", "current_path", "current_snapshot_id", "updated_at"].map { ($0, current.cell($0)) },
                invocation.output.terminal)
        }
    }
}
