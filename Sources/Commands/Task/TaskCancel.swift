extension Command {
    static let taskCancel = Command(
        "task", "cancel", "stop a task before it publishes anything", positionals: ["TASK_ID"],
        options: [Option.dryRun] + Option.wait,
        example: "task cancel 0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f60"
    ) { invocation throws(CommandError) in
        let id = try IDPrefix.task(invocation.argument("TASK_ID"), invocation.client)
        let write = Write(
            method: "POST", path: taskPath(id) + ":cancel", sentence: "cancel task \(id)",
            needs: .init(other: taskPath(id)))
        if try write.isOnlyTold(invocation) { return }
        var answer = try invocation.client.change(write.method, write.path).body
        if invocation.has("--wait") { answer = try TaskWait.ended(invocation, id: id).task }
        invocation.output.show(
            answer, View(name: "task_id", columns: [], members: ["task_id", "status", "cancel_requested"]))
        if answer.cell("status") == "RUNNING" {
            invocation.output.terminal.say("it has been told to stop; follow it: wvsctl task watch \(id)")
        }
    }
}
