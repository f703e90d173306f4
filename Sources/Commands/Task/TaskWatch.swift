private import Glibc
import JSON

extension Command {
    static let taskWatch = Command(
        "task", "watch", "follow a task until it ends, a line for each change", positionals: ["TASK_ID"],
        options: [Option("--timeout", value: "DURATION", "how long to follow, such as 90s [10m]")],
        example: "task watch 0197a5b2-7c1e-7d4f-8a90-1b2c3d4e5f60"
    ) { invocation throws(CommandError) in
        let id = try IDPrefix.task(invocation.argument("TASK_ID"), invocation.client)
        var last: String?
        let end = try TaskWait.ended(invocation, id: id) { task, elapsed in
            let line = TaskWait.line(task)
            guard line != last else { return }
            last = line
            invocation.output.terminal.progress("")
            switch invocation.output.form {
            case .json, .jsonl: print(task.text)
            case .yaml: print("---\n" + YAML.text(task))
            case .name: break
            case .table, .wide:
                let seconds = "\(elapsed.wholeMilliseconds / 100)"
                let time = seconds.count > 1 ? "\(seconds.dropLast()).\(seconds.suffix(1))" : "0.\(seconds)"
                print("\(String(repeating: " ", count: max(0, 7 - time.count)))\(time) s  \(line)")
            }
            // Who reads from a pipe follows it too.
            fflush(nil)
        }
        if invocation.output.form == .name { print(id) }
        try TaskWait.requireSuccess(end.task, end.status)
    }
}
