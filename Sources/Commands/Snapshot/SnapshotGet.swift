import JSON

extension Command {
    static let snapshotGet = Command(
        "snapshot", "get", "show a snapshot", positionals: ["WSID", "SNAPSHOT_ID"],
        example: "snapshot get ws-1 0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f60"
    ) { invocation throws(CommandError) in
        invocation.output.print(try invocation.client.get(snapshotPath(invocation)).body) { snapshot in
            fieldsText(
                ["snapshot_id", "fs_path", "message", "created_at"].map { ($0, snapshot.cell($0)) },
                invocation.output.terminal)
        }
    }
}

/// The path of the snapshot that the command names.
func snapshotPath(_ invocation: Invocation) -> String {
    "/v1/workspaces/\(pathSegment(invocation.argument("WSID")))/snapshots/"
        + pathSegment(invocation.argument("SNAPSHOT_ID"))
}
