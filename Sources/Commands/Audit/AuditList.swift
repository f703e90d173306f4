import JSON

extension Command {
    static let auditList = Command(
        "audit", "list", "list what was asked for, begun and ended, newest first", positionals: [],
        options: [
            Option("--wsid", value: "WSID", "only of this workspace"),
            Option("--task-id", value: "TASK_ID", "only of this task"),
            Option("--action", value: "ACTION", "only this action, such as workspace.snapshot_create"),
        ] + Option.page,
        example: "audit list --wsid ws-1"
    ) { invocation throws(CommandError) in
        var task = invocation.option("--task-id")
        if let prefix = task { task = try IDPrefix.task(prefix, invocation.client) }
        try invocation.list(
            "/v1/audit",
            filters: [
                ("wsid", invocation.option("--wsid")), ("task_id", task), ("action", invocation.option("--action")),
            ],
            View(
                name: "event_id",
                columns: [
                    .member("ts", "TIME"), .member("action", "ACTION"), .member("wsid", "WSID"),
                    .member("task_id", "TASK"), .init(title: "CHANGE", isWide: false, cell: change),
                    .init(title: "ERROR", isWide: false) { $0["payload"]?["error"]?.cell("code") },
                    .init(title: "ACTOR", isWide: true) { $0["actor"]?.cell("addr") ?? $0["actor"]?.cell("id") },
                    .member("request_id", "REQUEST", wide: true),
                ]))
    }
}

/// From which state to which, of a task or of a workspace.
private func change(_ event: JSONValue) -> String? {
    func state(_ side: String) -> String? {
        let value = event["payload"]?[side]
        return value?.cell("status") ?? value?.cell("state")
    }
    guard let after = state("after") else { return nil }
    return state("before").map { "\($0) to \(after)" } ?? after
}
