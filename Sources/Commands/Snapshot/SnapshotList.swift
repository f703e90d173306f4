extension Command {
    static let snapshotList = Command(
        "snapshot", "list", "list a workspace's snapshots, newest first", positionals: ["WSID"], options: Option.page,
        example: "snapshot list ws-1"
    ) { invocation throws(CommandError) in
        try invocation.list(workspacePath(invocation) + "/snapshots", .snapshot)
    }
}
