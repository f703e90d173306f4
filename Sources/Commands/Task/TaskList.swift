extension Command {
    static let taskList = Command(
        "task", "list", "list tasks, newest first", positionals: [],
        options: [
            Option("--wsid", value: "WSID", "only of this workspace"),
            Option("--status", value: "PENDING|RUNNING|SUCCEEDED|FAILED|DEAD|CANCELED", "only in this state"),
            Option(
                "--op", value: "init_workspace|snapshot_create|snapshot_drop|set_current", "only of this kind"),
        ] + Option.page,
        example: "task list --wsid ws-1 --status FAILED"
    ) { invocation throws(CommandError) in
        try invocation.list(
            "/v1/tasks",
            filters: ["wsid", "status", "op"].map { ($0, invocation.option("--\($0)")) }, .task)
    }
}
