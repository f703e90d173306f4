extension Command {
    static let workspaceList = Command(
        "workspace", "list", "list workspaces, newest first", positionals: [], options: Option.page,
        example: "workspace list -o wide"
    ) { invocation throws(CommandError) in
        try invocation.list("/v1/workspaces", .workspace)
    }
}
