import JSON

extension Command {
    static let workspaceGet = Command(
        "workspace", "get", "show a workspace", positionals: ["WSID"], example: "workspace get ws-1"
    ) { invocation throws(CommandError) in
        let path = "/v1/workspaces/\(pathSegment(invocation.argument("WSID")))"
        invocation.output.print(try invocation.client.get(path).body) { workspace in
            let names = [
                "wsid", "state", "owner", "uid", "gid", "root_path", "current_path", "current_snapshot_id",
                "created_at",
                "updated_at",
            ]
            return fieldsText(names.map { ($0, workspace.cell($0)) }, invocation.output.terminal)
        }
    }
}
