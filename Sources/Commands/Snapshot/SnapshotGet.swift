extension View {
    static let snapshot = View(
        name: "snapshot_id",
        columns: [
            .member("snapshot_id", "SNAPSHOT"), .member("created_at", "CREATED"), .member("message", "MESSAGE"),
            .member("fs_path", "PATH", wide: true),
        ],
        members: ["snapshot_id", "fs_path", "message", "created_at"])
}

extension Command {
    static let snapshotGet = Command(
        "snapshot", "get", "show a snapshot", positionals: ["WSID", "SNAPSHOT_ID"],
        example: "snapshot get ws-1 0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f60"
    ) { invocation throws(CommandError) in
        let path = try snapshotPath(invocation).path
        invocation.output.show(try invocation.client.get(path).body, .snapshot)
    }
}

/// The snapshot that the command names, by its id or the beginning of it.
func snapshotPath(_ invocation: Invocation) throws(CommandError) -> (id: String, path: String) {
    let wsid = invocation.argument("WSID")
    let id = try IDPrefix.snapshot(invocation.argument("SNAPSHOT_ID"), of: wsid, invocation.client)
    return (id, "/v1/workspaces/\(pathSegment(wsid))/snapshots/\(pathSegment(id))")
}
