import JSON

extension Command {
    static let workspaceCreate = Command(
        "workspace", "create", "create a workspace", positionals: ["WSID"],
        options: [
            Option("--owner", value: "NAME", "who it belongs to (required)"),
            Option("--uid", value: "N", "user of the live tree [the executor's default]"),
            Option("--gid", value: "N", "group of the live tree [as --uid]"),
        ] + Option.write,
        example: "workspace create ws-1 --owner alice --wait"
    ) { invocation throws(CommandError) in
        guard let owner = invocation.option("--owner") else { throw CommandError(.usage, "--owner is required") }
        var body: JSONObject = ["wsid": .string(invocation.argument("WSID")), "owner": .string(owner)]
        for (option, member) in [("--uid", "uid"), ("--gid", "gid")] {
            if let number = try invocation.integer(option, in: 0...Int(Int32.max)) {
                body[member] = .integer(Int64(number))
            }
        }
        let key = idempotencyKey(invocation)
        let answer = try invocation.client.write("POST", "/v1/workspaces", body: .object(body), key: key)
        try TaskWait.follow(invocation, answer, taskMember: "init_task_id", key: key)
    }
}
