extension Command {
    static let snapshotDrop = Command(
        "snapshot", "drop", "delete a snapshot for good", positionals: ["WSID", "SNAPSHOT_ID"],
        options: Option.write + [Option.confirmation],
        example: "snapshot drop ws-1 0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f60 --wait"
    ) { invocation throws(CommandError) in
        let (id, path) = try snapshotPath(invocation)
        try Write(
            method: "DELETE", path: path, sentence: "drop snapshot \(id) of \(invocation.argument("WSID")) for good",
            isDestructive: true, needs: .init(workspace: (workspacePath(invocation), .active), other: path)
        ).perform(invocation)
    }
}
