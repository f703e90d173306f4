private import Glibc
import JSON
import Model
import RuntimeCore

/// What follows an accepted write: say the task, wait for it if told to, and show what came of it.
enum TaskWait {
    /// - Parameters:
    ///   - accepted: the API's answer 202.
    ///   - taskMember: where its task id stands.
    static func follow(
        _ invocation: Invocation, _ accepted: APIClient.Answer, taskMember: String
    ) throws(CommandError) {
        guard let id = accepted.body[taskMember]?.string else {
            throw CommandError(.failed, "the answer names no task: \(accepted.body.text)")
        }
        let terminal = invocation.output.terminal
        if accepted.isReplay { terminal.say("this key was used before: the same request, the same task") }
        guard invocation.has("--wait") else {
            invocation.output.show(accepted.body, View(name: taskMember, columns: []))
            terminal.say("follow it: wvsctl task watch \(id)")
            return
        }
        show(invocation, try untilEnded(invocation, id: id))
    }

    /// The task once it has ended; throws if it did not succeed or the time is up.
    static func untilEnded(_ invocation: Invocation, id: String) throws(CommandError) -> JSONValue {
        let (task, status) = try ended(invocation, id: id)
        try requireSuccess(task, status)
        return task
    }

    /// The task once it has ended, however it did.
    ///
    /// - Parameter seen: told of each look at it, and the time since the first.
    static func ended(
        _ invocation: Invocation, id: String, seen: (JSONValue, Duration) -> Void = { _, _ in }
    ) throws(CommandError) -> (task: JSONValue, status: TaskStatus) {
        let timeout = try invocation.duration("--timeout", default: "10m")
        let client = try invocation.client
        let terminal = invocation.output.terminal
        Interruption.explain("\nstopped waiting; the task goes on: wvsctl task watch \(id)\n")
        let start = MonotonicTime.now
        let end = start + timeout
        var last = ""
        while true {
            do {
                // Short waits show what changes; the end is answered at once either way.
                let wait = max(0, min(1, Int(end.remaining.wholeMilliseconds / 1000)))
                let task = try client.task(id, wait: wait).body
                let elapsed = MonotonicTime.now - start
                terminal.progress("\(line(task))  \(elapsed.wholeMilliseconds / 1000) s")
                seen(task, elapsed)
                last = "it is \(state(task))"
                if let status = task["status"]?.string.flatMap(TaskStatus.init), status.isEnded {
                    terminal.progress("")
                    return (task, status)
                }
                // In the last second nothing waits at the server.
                if wait == 0 { usleep(100_000) }
            } catch  where error.status == .unreachable {
                // The API may be restarting; the task does not depend on it.
                last = error.message
                terminal.progress("\(last); trying again")
                usleep(200_000)
            }
            if end.remaining == .zero {
                terminal.progress("")
                throw CommandError(
                    .timedOut, "task \(id) has not ended within \(timeout.text): \(last)",
                    hint: "wvsctl task watch \(id)")
            }
        }
    }

    static func requireSuccess(_ task: JSONValue, _ status: TaskStatus) throws(CommandError) {
        if status == .succeeded { return }
        let id = task.cell("task_id") ?? ""
        throw CommandError(
            .taskFailed, "task \(id) is \(state(task))", hint: "wvsctl audit list --task-id \(id)")
    }

    /// How a task is, and why the last attempt failed.
    private static func state(_ task: JSONValue) -> String {
        let error = ["code", "message"].compactMap { task["error"]?.cell($0) }.map { ": \(oneLine($0))" }.joined()
        return "\(task.cell("status") ?? ""), attempt \(task.cell("attempt") ?? "0")\(error)"
    }

    /// Where a task stands, in one line.
    static func line(_ task: JSONValue) -> String {
        var parts = [task.cell("op") ?? "", task.cell("status") ?? "", "attempt \(task.cell("attempt") ?? "0")"]
        if let progress = task["progress"], let phase = progress.cell("phase") {
            let total = progress.cell("entries_total").flatMap { $0 == "0" ? nil : " of \($0)" } ?? ""
            parts.append("\(phase) \(progress.cell("entries") ?? "0")\(total) entries")
            if progress["frozen"] == true { parts.append("agent frozen") }
        }
        if let code = task["error"]?.cell("code") { parts.append("last error \(code)") }
        return parts.joined(separator: "  ")
    }

    /// The task with its result's members beside its own, so that `--wait --json` answers what was asked for.
    static func show(_ invocation: Invocation, _ task: JSONValue) {
        var shown: JSONObject = [:]
        for name in ["task_id", "wsid", "op", "status", "attempt"] { shown[name] = task[name] }
        for (name, value) in task["result"]?.object ?? [:] { shown[name] = value }
        let name = ["snapshot_id", "current_snapshot_id"].first { shown[$0] != nil } ?? "wsid"
        guard [.table, .wide].contains(invocation.output.form) else {
            return invocation.output.show(.object(shown), View(name: name, columns: []))
        }
        let receipt = shown["receipt"]
        shown["receipt"] = nil
        if let consistency = receipt?["consistency"] { shown["consistency"] = consistency }
        if let window = receipt?["window_ms"]?.double {
            shown["frozen_for"] = .string("\((window * 10).rounded() / 10) ms")
        }
        invocation.output.show(.object(shown), View(name: name, columns: []))
    }
}

/// What Ctrl-C says while a command waits.
private enum Interruption {
    // Written once before the handler is installed, read only in it.
    nonisolated(unsafe) private static var message: (start: UnsafeMutablePointer<CChar>, count: Int)?

    static func explain(_ text: String) {
        guard let start = strdup(text) else { return }
        message = (start, strlen(start))
        signal(SIGINT) { _ in
            // Only calls that are safe in a signal handler.
            if let message = Interruption.message { _ = write(STDERR_FILENO, message.start, message.count) }
            _exit(130)
        }
    }
}
