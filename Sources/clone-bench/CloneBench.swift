import Executor
import Glibc
import RuntimeCore

private let usage = """
    usage: clone-bench [--phases 2] reflink|copy|btrfs SOURCE TARGET
    Clones one folder as the executor does, for measurements; prints entries and milliseconds. In two phases it waits between
    them for a line on standard input.
    """

/// One clone by one engine as a process, so that it can be timed beside others. It times itself: the start of the process is
/// no part of a clone.
@main
enum CloneBench {
    static func main() {
        var arguments = Array(CommandLine.arguments.dropFirst())
        let inTwoPhases = arguments.starts(with: ["--phases", "2"])
        if inTwoPhases { arguments.removeFirst(2) }
        guard arguments.count == 3, let choice = EngineChoice(rawValue: arguments[0]) else {
            writeToStandardError(usage + "\n")
            exit(2)
        }
        do {
            try clone(choice, from: arguments[1], to: arguments[2], inTwoPhases: inTwoPhases)
        } catch {
            writeToStandardError("clone-bench: \(error)\n")
            exit(1)
        }
    }

    private static func clone(
        _ choice: EngineChoice, from source: String, to target: String, inTwoPhases: Bool
    ) throws {
        let (sourceFolder, sourceName) = try parent(of: source)
        let (targetFolder, targetName) = try parent(of: target)
        defer {
            close(sourceFolder)
            close(targetFolder)
        }
        let engine = try choice.engine(mount: targetFolder, threads: 0)
        let (progress, cancellation) = (CloneProgress(), try Cancellation())
        guard inTwoPhases else {
            let (summary, time) = try timed {
                try engine.clone(
                    from: sourceFolder, sourceName, to: targetFolder, targetName, as: .snapshot, onFailure: .leave,
                    progress: progress, cancellation: cancellation)
            }
            return print("\(summary?.entries ?? 0) entries \(time) ms")
        }
        guard let engine = engine as? any TwoPhaseEngine else { throw SystemError("two phases", errno: EOPNOTSUPP) }
        let (clone, first) = try timed {
            try engine.beginClone(
                from: sourceFolder, sourceName, to: targetFolder, targetName, progress: progress,
                cancellation: cancellation)
        }
        print("\(clone.entries) entries \(first) ms, \(clone.doubtful) doubtful")
        fflush(nil)
        _ = readLine()
        let (summary, second) = try timed {
            try clone.finish(
                openFiles: [], trash: "\(targetName)-trash", progress: progress, cancellation: cancellation)
        }
        print("\(summary.clone.entries) entries \(second) ms, \(summary.renewed) renewed")
    }

    private static func timed<Result>(_ body: () throws -> Result) throws -> (Result, Double) {
        let start = MonotonicTime.now
        let result = try body()
        return (result, (MonotonicTime.now - start).milliseconds)
    }

    /// The folder that holds a path's last component, open, and that component.
    private static func parent(of path: String) throws -> (CInt, String) {
        let parts = path.split(separator: "/", omittingEmptySubsequences: true)
        guard let name = parts.last else { throw SystemError("open", path, errno: EINVAL) }
        let prefix = path.hasPrefix("/") ? "/" : ""
        let folder = prefix + parts.dropLast().joined(separator: "/")
        return (
            try systemCall("open", folder) { open(folder.isEmpty ? "." : folder, O_RDONLY | O_DIRECTORY) }, String(name)
        )
    }
}
