import Glibc
import Postgres
import Runtime
import RuntimeCore

/// The parts of the queue's benchmark that have to be programs of ours; see scripts/bench/queue.py.
///
///     queue-bench executor                             does nothing, at once; prints its address
///     queue-bench enqueue DSN COUNT CLIENTS [notify]   prints the seconds that it took
///     queue-bench cycle DSN COUNT CLIENTS              the same, until as many tasks more have ended
///     queue-bench trickle DSN COUNT PAUSE_MS           one at a time, each with its NOTIFY
@main
enum QueueBench {
    static func main() async {
        let words = Array(CommandLine.arguments.dropFirst())
        do {
            switch words.first {
            case "executor" where words.count == 1: try await NullExecutor.serve()
            case "enqueue" where words.count >= 4:
                let load = try Load(dsn: words[1], clients: number(words[3]), notifies: words.last == "notify")
                print(try await load.enqueue(number(words[2])).seconds)
            case "cycle" where words.count == 4:
                let load = try Load(dsn: words[1], clients: number(words[3]), notifies: true)
                print(try await load.cycle(number(words[2])).seconds)
            case "trickle" where words.count == 4:
                let load = try Load(dsn: words[1], clients: 1, notifies: true)
                try await load.trickle(number(words[2]), pause: .milliseconds(number(words[3])))
            default: throw WrongCall()
            }
        } catch {
            writeToStandardError("queue-bench: \(error)\n")
            exit(1)
        }
    }

    private struct WrongCall: Error, CustomStringConvertible {
        let description =
            "usage: queue-bench executor | enqueue DSN COUNT CLIENTS [notify] | cycle DSN COUNT CLIENTS"
            + " | trickle DSN COUNT PAUSE_MS"
    }

    private static func number(_ text: String) throws -> Int {
        guard let number = Int(text), number > 0 else { throw WrongCall() }
        return number
    }
}
