import Executor
import Glibc
import RuntimeCore

private let usage =
    "usage: clone-bench reflink|copy SOURCE TARGET\nClones one folder as the executor does, for measurements."

/// One clone by one engine as a process, so that it can be timed beside cp.
@main
enum CloneBench {
    static func main() {
        let arguments = CommandLine.arguments.dropFirst()
        guard arguments.count == 3, let choice = arguments.first.flatMap(EngineChoice.init) else {
            writeToStandardError(usage + "\n")
            exit(2)
        }
        do {
            try clone(choice, from: arguments[2], to: arguments[3])
        } catch {
            writeToStandardError("clone-bench: \(error)\n")
            exit(1)
        }
    }

    private static func clone(_ choice: EngineChoice, from source: String, to target: String) throws {
        let (sourceFolder, sourceName) = try parent(of: source)
        let (targetFolder, targetName) = try parent(of: target)
        defer {
            close(sourceFolder)
            close(targetFolder)
        }
        let engine = try choice.engine(mount: targetFolder, threads: 0)
        let summary = try engine.clone(
            from: sourceFolder, sourceName, to: targetFolder, targetName, progress: CloneProgress(),
            cancellation: Cancellation())
        print("\(summary.entries) entries")
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
