private import Glibc
import RuntimeCore

/// Writes back what frozen processes have written, so that a clone of the files finds it: design section 6.
package struct FlushBarrier {
    /// A file that was held open for writing or mapped shared and writable.
    package struct File: Sendable {
        package let identity: FileIdentity
        /// As its process sees it.
        package let path: String
        package let isFlushed: Bool
    }

    package struct Outcome: Sendable {
        package let files: [File]
        /// Processes that could not be looked into.
        package let closedProcesses: [ProcessID]
        /// Processes with files that only an io_uring of theirs holds.
        package let hiddenFiles: [ProcessID]

        /// Whether no other file was open for writing.
        package var isComplete: Bool { closedProcesses.isEmpty && hiddenFiles.isEmpty }
        package static let nothing = Outcome(files: [], closedProcesses: [], hiddenFiles: [])

        package var flushedCount: Int { files.count(where: \.isFlushed) }

        /// What the privileges did not suffice for, in words; nil where everything was flushed.
        package var shortfall: String? {
            if let process = closedProcesses.first { return "no access to the open files of process \(process)" }
            if let process = hiddenFiles.first { return "no access to the io_uring files of process \(process)" }
            return files.first { !$0.isFlushed }.map { "no right to flush \($0.path)" }
        }
    }

    private var unfinished: FlushCrew?

    package init() {}

    /// Flushes every file of the workspace's file system, on a network file system by whichever mount of its kind, that `processes` may have written to.
    ///
    /// - Parameters:
    ///   - processes: all frozen.
    ///   - files: of the workspace.
    ///   - stillWanted: asked every few milliseconds; false ends the flush with an error.
    /// - Throws: `flush` with the file's name when one fails, or is not done when the freeze is called off.
    package mutating func flush(
        _ processes: [ProcessID], of files: WorkspaceFiles, stillWanted: () -> Bool
    ) throws(FreezerError) -> Outcome {
        if let unfinished, let file = unfinished.current {
            throw FreezerError(.flush, "an earlier flush of \(file) still hangs")
        }
        unfinished = nil
        var scan = OpenFileScan(files)
        for process in processes {
            guard stillWanted() else { throw FreezerError(.flush, "the freeze was called off") }
            scan.visit(process)
        }
        let dirty = scan.files.values.sorted { $0.path < $1.path }
        if dirty.isEmpty { return Outcome(files: [], closedProcesses: scan.closed, hiddenFiles: scan.hidden) }
        let crew = try FlushCrew(dirty, isLocal: files.isLocal)
        while !crew.wait(atMost: .milliseconds(5)) {
            guard stillWanted() else {
                unfinished = crew
                throw FreezerError(.flush, "the flush of \(crew.current ?? "a file") was not done in time")
            }
        }
        return Outcome(files: try crew.results(), closedProcesses: scan.closed, hiddenFiles: scan.hidden)
    }
}
