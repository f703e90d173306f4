private import Glibc

/// Named places where a test makes a program die or stall: `WVS_FAILPOINT=worker.after_execute:kill`.
///
/// The variable holds `NAME:ACTION[@N]`, several separated by commas. Actions: `kill` (SIGKILL to itself), `stop` (SIGSTOP
/// to itself), `exit` (leave at once with status 86). With `@N` only the Nth passage acts, otherwise the first does.
/// A release build compiles every call to nothing.
package enum Failpoint {
    /// Marks a place. Before it acts it writes `failpoint NAME` to standard error, so that a test knows it was reached.
    @inline(__always)
    package static func hit(_ name: @autoclosure () -> String) {
        #if FAILPOINTS
            if !rules.isEmpty { pass(name()) }
        #endif
    }

    #if FAILPOINTS
        private struct Rule: Sendable {
            let name: String
            let action: String
            let passage: Int
        }

        private static let passages = Mutex<[String: Int]>([:])

        private static let rules: [Rule] = {
            guard let raw = getenv("WVS_FAILPOINT") else { return [] }
            return String(cString: raw).split(separator: ",").map { text in
                let parts = text.split(separator: ":", maxSplits: 1)
                let action = (parts.count == 2 ? parts[1] : "kill").split(separator: "@")
                return Rule(
                    name: String(parts[0]), action: String(action[0]),
                    passage: action.count == 2 ? Int(action[1]) ?? 1 : 1)
            }
        }()

        private static func pass(_ name: String) {
            let passage = passages.withLock { passages in
                passages[name, default: 0] += 1
                return passages[name, default: 0]
            }
            guard let rule = rules.first(where: { $0.name == name && $0.passage == passage }) else { return }
            var line = "failpoint \(name)\n"
            _ = line.withUTF8 { write(STDERR_FILENO, $0.baseAddress, $0.count) }
            switch rule.action {
            case "kill": kill(getpid(), SIGKILL)
            // To this thread: as a signal to the process another one may take it, while this one runs on for a moment.
            case "stop": raise(SIGSTOP)
            case "exit": _exit(86)
            default: preconditionFailure("WVS_FAILPOINT: unknown action \(rule.action); allowed: kill, stop, exit")
            }
        }
    #endif
}
