import JSON

extension View {
    static let task = View(
        name: "task_id",
        columns: [
            .member("task_id", "TASK"), .member("wsid", "WSID"), .member("op", "OP"), .member("status", "STATUS"),
            .member("attempt", "ATTEMPT"), .member("created_at", "CREATED"),
            .member("started_at", "STARTED", wide: true), .member("ended_at", "ENDED", wide: true),
            .member("request_id", "REQUEST", wide: true),
            Column(title: "ERROR", isWide: false) { $0["error"]?.cell("code") },
        ],
        members: [
            "task_id", "wsid", "op", "status", "attempt", "max_attempts", "created_at", "started_at", "ended_at",
            "next_run_at", "cancel_requested", "request_id", "progress", "result", "error",
        ])
}

extension Command {
    static let taskGet = Command(
        "task", "get", "show a task", positionals: ["TASK_ID"], options: Option.wait,
        example: "task get 0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f60 --wait"
    ) { invocation throws(CommandError) in
        let id = try IDPrefix.task(invocation.argument("TASK_ID"), invocation.client)
        let task =
            try invocation.has("--wait")
            ? TaskWait.untilEnded(invocation, id: id) : invocation.client.get(taskPath(id)).body
        invocation.output.show(task, .task)
    }
}

func taskPath(_ id: String) -> String { "/v1/tasks/\(pathSegment(id))" }
