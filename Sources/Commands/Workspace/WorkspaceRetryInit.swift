extension Command {
    static let workspaceRetryInit = Command(
        "workspace", "retry-init", "try again to create a workspace that is INIT_FAILED", positionals: ["WSID"],
        options: Option.write, example: "workspace retry-init ws-1 --wait"
    ) { invocation throws(CommandError) in
        try Write(
            method: "POST", path: workspacePath(invocation) + "/retry-init",
            sentence: "initialise \(invocation.argument("WSID")) again",
            needs: .init(workspace: (workspacePath(invocation), .initFailed))
        ).perform(invocation)
    }
}
