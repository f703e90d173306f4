import JSON

extension Command {
    static let taskGet = Command(
        "task", "get", "show a task", positionals: ["TASK_ID"],
        options: [
            Option("--wait", "wait until the task has ended"),
            Option("--timeout", value: "DURATION", "how long to wait, such as 90s [10m]"),
        ],
        example: "task get 0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f60 --wait"
    ) { invocation throws(CommandError) in
        let id = invocation.argument("TASK_ID")
        let task =
            try invocation.has("--wait")
            ? TaskWait.untilEnded(invocation, id: id) : invocation.client.get("/v1/tasks/\(pathSegment(id))").body
        invocation.output.print(task) { task in
            let names = [
                "task_id", "wsid", "op", "status", "attempt", "max_attempts", "created_at", "started_at", "ended_at",
                "next_run_at", "cancel_requested", "request_id", "progress", "result",
            ]
            var fields = names.map { ($0, task.cell($0)) }
            if let error = task["error"], !error.isNull {
                fields.append(("error", "\(error.cell("code") ?? ""): \(error.cell("message") ?? "")"))
            }
            return fieldsText(fields, invocation.output.terminal)
        }
    }
}
