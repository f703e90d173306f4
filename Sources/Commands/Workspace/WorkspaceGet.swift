extension View {
    static let workspace = View(
        name: "wsid",
        columns: [
            .member("wsid", "WSID"), .member("state", "STATE"), .member("owner", "OWNER"),
            .member("current_snapshot_id", "CURRENT SNAPSHOT"), .member("created_at", "CREATED"),
            .member("updated_at", "UPDATED", wide: true), .member("uid", "UID", wide: true),
            .member("gid", "GID", wide: true), .member("current_path", "CURRENT PATH", wide: true),
        ],
        members: [
            "wsid", "state", "owner", "uid", "gid", "root_path", "current_path", "current_snapshot_id", "created_at",
            "updated_at",
        ])
}

extension Command {
    static let workspaceGet = Command(
        "workspace", "get", "show a workspace", positionals: ["WSID"], example: "workspace get ws-1"
    ) { invocation throws(CommandError) in
        invocation.output.show(try invocation.client.get(workspacePath(invocation)).body, .workspace)
    }
}

/// The path of the workspace that the command names.
func workspacePath(_ invocation: Invocation) -> String { "/v1/workspaces/\(pathSegment(invocation.argument("WSID")))" }
