extension Command {
    static let snapshotDrop = Command(
        "snapshot", "drop", "delete a snapshot for good", positionals: ["WSID", "SNAPSHOT_ID"], options: Option.write,
        example: "snapshot drop ws-1 0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f60 --wait"
    ) { invocation throws(CommandError) in
        let key = idempotencyKey(invocation)
        try TaskWait.follow(
            invocation, try invocation.client.write("DELETE", snapshotPath(invocation), key: key), key: key)
    }
}
