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
                name: "audit_id",
                columns: [
                    .member("created_at", "TIME"), .member("action", "ACTION"), .member("wsid", "WSID"),
                    .member("task_id", "TASK"),
                    View.Column(title: "AFTER", isWide: false) {
                        $0["after"]?.cell("status") ?? $0["after"]?.cell("state")
                    },
                    View.Column(title: "ERROR", isWide: false) { $0["error"]?.cell("code") },
                    View.Column(title: "ACTOR", isWide: true) {
                        $0["actor"]?.cell("addr") ?? $0["actor"]?.cell("type")
                    },
                    .member("request_id", "REQUEST", wide: true),
                ]))
    }
}
