import JSON
import Model
import Runtime

/// A change that a command asks for: confirmed where it destroys, only told with `--dry-run`, then followed.
struct Write {
    let method: String
    let path: String
    var body: JSONValue?
    /// Where the answer names the task.
    var taskMember = "task_id"
    /// What happens, for a person, for example `drop snapshot … of ws-1`.
    let sentence: String
    var isDestructive = false
    /// What a dry run looks for.
    var needs: Needs

    /// What must be there for a change to be accepted.
    struct Needs {
        /// The workspace, and the state that it must be in; nil for any.
        var workspace: (path: String, state: WorkspaceState?)?
        /// A snapshot or a task.
        var other: String?
        /// A workspace that must not be there.
        var absent: String?
    }

    func perform(_ invocation: Invocation) throws(CommandError) {
        // A wrong duration is to be said before anything is asked for.
        _ = try invocation.duration("--timeout", default: "10m")
        if try isOnlyTold(invocation) { return }
        try confirm(invocation)
        // The key that the person gave, or a new one.
        let key = invocation.option("--idempotency-key") ?? UUIDv7.make()
        if invocation.output.isVerbose { invocation.output.terminal.say("idempotency key \(key)") }
        let answer = try send(invocation, key)
        try TaskWait.follow(invocation, answer, taskMember: taskMember)
    }

    private func send(_ invocation: Invocation, _ key: String) throws(CommandError) -> APIClient.Answer {
        do {
            return try invocation.client.write(method, path, body: body, key: key)
        } catch  where error.status == .unreachable {
            // The answer may be what got lost.
            throw CommandError(
                .unreachable, error.message,
                hint: [
                    "the same command with --idempotency-key \(key): accepted before or not, it makes one task",
                    error.hint,
                ].compactMap { $0 }.joined(separator: "\n       "))
        }
    }

    /// Says what would be asked for, where that is all that is wanted.
    func isOnlyTold(_ invocation: Invocation) throws(CommandError) -> Bool {
        guard invocation.has("--dry-run") else { return false }
        try look(invocation)
        let url = try invocation.client.baseURL + path
        invocation.output.terminal.say("would \(sentence); nothing was changed")
        let members = ["method", "url", "body"]
        invocation.output.show(
            ["method": .string(method), "url": .string(url), "body": body ?? .null],
            View(name: "url", columns: [], members: members))
        return true
    }

    private func look(_ invocation: Invocation) throws(CommandError) {
        if let (path, state) = needs.workspace {
            let workspace = try invocation.client.get(path).body
            if let state, let now = workspace.cell("state"), now != state.rawValue {
                throw CommandError(
                    .conflict, "workspace \(workspace.cell("wsid") ?? "") is \(now), not \(state.rawValue)")
            }
        }
        if let other = needs.other { _ = try invocation.client.get(other) }
        guard let absent = needs.absent else { return }
        let present: JSONValue
        do {
            present = try invocation.client.get(absent).body
        } catch  where error.status == .notFound {
            return
        }
        throw CommandError(.conflict, "workspace \(present.cell("wsid") ?? "") exists already")
    }

    func confirm(_ invocation: Invocation) throws(CommandError) {
        guard isDestructive, !invocation.has("--yes") else { return }
        try invocation.output.terminal.confirm(sentence)
    }
}
