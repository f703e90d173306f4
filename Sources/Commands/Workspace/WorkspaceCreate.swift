import JSON

extension Command {
    static let workspaceCreate = Command(
        "workspace", "create", "create a workspace", positionals: ["WSID"],
        options: [
            Option("--owner", value: "NAME", "who it belongs to (required)"),
            Option("--uid", value: "N", "user of the live tree [the executor's default]"),
            Option("--gid", value: "N", "group of the live tree, beside --uid [the same number]"),
        ] + Option.write,
        example: "workspace create ws-1 --owner alice --wait"
    ) { invocation throws(CommandError) in
        guard let owner = invocation.option("--owner") else { throw CommandError(.usage, "--owner is required") }
        let wsid = invocation.argument("WSID")
        var body: JSONObject = ["wsid": .string(wsid), "owner": .string(owner)]
        for (option, member) in [("--uid", "uid"), ("--gid", "gid")] {
            if let number = try invocation.integer(option, in: 0...Int(Int32.max)) {
                body[member] = .integer(Int64(number))
            }
        }
        try Write(
            method: "POST", path: "/v1/workspaces", body: .object(body), taskMember: "init_task_id",
            sentence: "create workspace \(wsid)", needs: .init(absent: workspacePath(invocation))
        ).perform(invocation)
    }
}
