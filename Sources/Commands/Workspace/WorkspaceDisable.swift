extension Command {
    static let workspaceDisable = Command(
        "workspace", "disable", "refuse every further write to a workspace, for good", positionals: ["WSID"],
        options: [Option.dryRun, Option.confirmation],
        example: "workspace disable ws-1 --yes"
    ) { invocation throws(CommandError) in
        let wsid = invocation.argument("WSID")
        let write = Write(
            method: "DELETE", path: workspacePath(invocation), sentence: "disable workspace \(wsid) for good",
            isDestructive: true, needs: .init(workspace: (workspacePath(invocation), nil)))
        if try write.isOnlyTold(invocation) { return }
        try write.confirm(invocation)
        invocation.output.show(
            try invocation.client.change(write.method, write.path).body,
            View(name: "wsid", columns: [], members: ["wsid", "state", "updated_at"]))
    }
}
