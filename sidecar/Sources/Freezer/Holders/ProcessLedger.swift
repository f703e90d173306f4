private import Glibc
import RuntimeCore

/// What was found out about processes, as long as it must still be true: a process that has not run since cannot have opened,
/// mapped or entered anything.
///
/// This is what makes a look at every process of a machine short enough for the time in which an agent stands still.
struct ProcessLedger {
    private struct Entry {
        /// Of `/proc/<pid>`: another process of the same number has another.
        let inode: UInt64
        /// Nil where it was running, so that nothing can be told from its counters.
        let runs: ThreadRuns?
        let finding: Holder.Kind?
    }

    private var entries: [ProcessID: Entry] = [:]

    /// What is known of a process; nil where it must be looked at.
    func finding(of process: ProcFS.Entry) -> Holder.Kind?? {
        guard let entry = entries[process.number], entry.inode == process.inode, entry.runs?.isUnchanged == true else {
            return nil
        }
        return .some(entry.finding)
    }

    /// - Parameter runs: taken before the look.
    mutating func note(_ process: ProcFS.Entry, _ runs: ThreadRuns?, _ finding: Holder.Kind?) {
        entries[process.number] = Entry(inode: process.inode, runs: runs, finding: finding)
    }

    /// Forgets who is gone.
    mutating func keep(_ processes: [ProcFS.Entry]) {
        guard entries.count > processes.count else { return }
        let living = Set(processes.map(\.number))
        entries = entries.filter { living.contains($0.key) }
    }
}

/// How often and how long each thread of a process has run: `schedstat` of proc(5).
///
/// The second count goes up the moment that a thread gets a processor, the first when it leaves it at the latest. So if no
/// thread was running when they were taken, equal counts mean that none has run.
package struct ThreadRuns {
    private struct Run {
        let path: String
        let text: [UInt8]
    }

    /// Empty for a kernel thread, which holds nothing in its life.
    private let runs: [Run]
    /// More threads than this are not followed: a look at their files is then as cheap.
    private static let limit = 64

    static let ofKernel = ThreadRuns(runs: [])

    private init(runs: [Run]) { self.runs = runs }

    /// Nil where a thread is running, or the kernel does not count.
    init?(of process: ProcessID) {
        guard let threads = try? ProcessTable.threads(of: process), !threads.isEmpty, threads.count <= Self.limit else {
            return nil
        }
        var runs: [Run] = []
        for thread in threads {
            let path = "/proc/\(process)/task/\(thread)/schedstat"
            // Without CONFIG_SCHED_INFO all is 0.
            guard let text = Self.counts(path), !text.elementsEqual("0 0 0\n".utf8) else { return nil }
            // After the counts: had it begun to run in between, it would be seen here or in the next counts.
            guard let state = try? ProcessTable.status(of: thread, in: process)?.state, state != UInt8(ascii: "R")
            else { return nil }
            runs.append(Run(path: path, text: text))
        }
        self.runs = runs
    }

    /// The counts of a process's leader; nil where there are none.
    package static func counts(of process: ProcessID) -> [UInt8]? { counts("/proc/\(process)/schedstat") }

    /// Three numbers; nil once the thread is gone. One read: this is done for every thread of a machine.
    private static func counts(_ path: String) -> [UInt8]? {
        guard let file = try? ProcFS.open(path, CInt(O_RDONLY)) else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: 80, alignment: 1) { buffer in
            let count = read(file.raw, buffer.baseAddress, buffer.count)
            return count > 0 ? Array(buffer[..<count]) : nil
        }
    }

    /// A new thread needs one that runs to start it, so only those known are asked.
    var isUnchanged: Bool {
        runs.allSatisfy { run in Self.counts(run.path)?.elementsEqual(run.text) ?? false }
    }
}
