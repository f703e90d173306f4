private import Glibc
import JSON
import Model
import RuntimeCore

/// What follows an accepted write: say the task, wait for it if told to, and show what came of it.
enum TaskWait {
    /// - Parameters:
    ///   - accepted: the API's answer 202.
    ///   - taskMember: where its task id stands.
    ///   - key: the idempotency key that the request went with.
    static func follow(
        _ invocation: Invocation, _ accepted: APIClient.Answer, taskMember: String = "task_id", key: String
    ) throws(CommandError) {
        guard let id = accepted.body[taskMember]?.string else {
            throw CommandError(.failed, "the answer names no task: \(accepted.body.text)")
        }
        let terminal = invocation.output.terminal
        if invocation.output.isVerbose { terminal.say("idempotency key \(key)") }
        if accepted.isReplay { terminal.say("this key was used before: the same request, the same task") }
        guard invocation.has("--wait") else {
            invocation.output.print(accepted.body) { body in
                fieldsText([("task_id", id), ("status", body.cell("status") ?? body.cell("state"))], terminal)
            }
            terminal.say("follow it: wvsctl task get \(id) --wait")
            return
        }
        show(invocation, try untilEnded(invocation, id: id))
    }

    /// The task once it has ended; throws if it did not succeed or the time is up.
    static func untilEnded(_ invocation: Invocation, id: String) throws(CommandError) -> JSONValue {
        let limit = invocation.option("--timeout") ?? "10m"
        guard let timeout = Duration(text: limit), timeout > .zero else {
            throw CommandError(.usage, "--timeout: expected a duration above zero, such as 90s or 10m")
        }
        let terminal = invocation.output.terminal
        Interruption.explain("\nstopped waiting; the task goes on: wvsctl task get \(id) --wait\n")
        let start = MonotonicTime.now
        let end = start + timeout
        // Short waits keep the line on a terminal moving; the answer comes at once either way.
        let step = terminal.showsProgress ? 1 : 30
        while true {
            do {
                let wait = max(0, min(step, Int(end.remaining.wholeMilliseconds / 1000)))
                let task = try invocation.client.task(id, wait: wait).body
                if let status = task["status"]?.string.flatMap(TaskStatus.init), status.isEnded {
                    terminal.progress("")
                    return try succeeded(task, status)
                }
                terminal.progress(line(task, since: start))
            } catch  where error.status == .unreachable {
                // The API may be restarting; the task does not depend on it.
                terminal.progress("\(error.message); trying again")
                usleep(200_000)
            }
            if end.remaining == .zero {
                terminal.progress("")
                throw CommandError(
                    .timedOut, "task \(id) has not ended within \(timeout.text)", hint: "wvsctl task get \(id) --wait")
            }
        }
    }

    private static func succeeded(_ task: JSONValue, _ status: TaskStatus) throws(CommandError) -> JSONValue {
        if status == .succeeded { return task }
        let id = task.cell("task_id") ?? ""
        let code = task["error"]?.cell("code").map { " \($0):" } ?? ""
        let message = task["error"]?.cell("message").map { " \($0)" } ?? ""
        throw CommandError(
            .taskFailed,
            "task \(id) is \(status.rawValue) after attempt \(task.cell("attempt") ?? "0"):\(code)\(message)")
    }

    private static func line(_ task: JSONValue, since start: MonotonicTime) -> String {
        var parts = [task.cell("op") ?? "", task.cell("status") ?? "", "attempt \(task.cell("attempt") ?? "0")"]
        if let progress = task["progress"], let phase = progress.cell("phase") {
            let total = progress.cell("entries_total").flatMap { $0 == "0" ? nil : " of \($0)" } ?? ""
            parts.append("\(phase) \(progress.cell("entries") ?? "0")\(total) entries")
        }
        if let code = task["error"]?.cell("code") { parts.append("last error \(code)") }
        return (parts + ["\((MonotonicTime.now - start).wholeMilliseconds / 1000) s"]).joined(separator: "  ")
    }

    /// The task with its result's members beside its own, so that `--wait --json` answers what was asked for.
    static func show(_ invocation: Invocation, _ task: JSONValue) {
        var shown: JSONObject = [:]
        for name in ["task_id", "wsid", "op", "status", "attempt"] { shown[name] = task[name] }
        for (name, value) in task["result"]?.object ?? [:] { shown[name] = value }
        invocation.output.print(.object(shown)) { _ in
            let receipt = task["result"]?["receipt"]
            var fields: [(String, String?)] = []
            for (name, value) in shown where name != "receipt" {
                fields.append((name, JSONValue.object([name: value]).cell(name)))
            }
            if let consistency = receipt?.cell("consistency") { fields.append(("consistency", consistency)) }
            if let window = receipt?["window_ms"]?.double {
                fields.append(("frozen_for", "\((window * 10).rounded() / 10) ms"))
            }
            return fieldsText(fields, invocation.output.terminal)
        }
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
