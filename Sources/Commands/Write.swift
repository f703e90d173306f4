import JSON
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

    func perform(_ invocation: Invocation) throws(CommandError) {
        // A wrong duration is to be said before anything is asked for.
        _ = try invocation.duration("--timeout", default: "10m")
        if try isOnlyTold(invocation) { return }
        try confirm(invocation)
        // The key that the person gave, or a new one.
        let key = invocation.option("--idempotency-key") ?? UUIDv7.make()
        let answer = try invocation.client.write(method, path, body: body, key: key)
        try TaskWait.follow(invocation, answer, taskMember: taskMember, key: key)
    }

    /// Says what would be asked for, where that is all that is wanted.
    func isOnlyTold(_ invocation: Invocation) throws(CommandError) -> Bool {
        guard invocation.has("--dry-run") else { return false }
        let url = try invocation.client.baseURL + path
        invocation.output.terminal.say("would \(sentence); nothing was changed")
        let members = ["method", "url", "body"]
        invocation.output.show(
            ["method": .string(method), "url": .string(url), "body": body ?? .null],
            View(name: "url", columns: [], members: members))
        return true
    }

    func confirm(_ invocation: Invocation) throws(CommandError) {
        guard isDestructive, !invocation.has("--yes") else { return }
        try invocation.output.terminal.confirm(sentence)
    }
}
