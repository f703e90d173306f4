import RuntimeCore

/// What was found out about processes, as long as it must still be true: a process that has not run since cannot have opened,
/// mapped or entered anything.
///
/// This is what makes a look at every process of a machine short enough for the time in which an agent stands still.
struct ProcessLedger {
    private struct Entry {
        /// Of `/proc/<pid>`: another process of the same number has another.
        let inode: UInt64
        let runs: ThreadRuns
        let finding: Holder.Kind?
    }

    private var entries: [ProcessID: Entry] = [:]
    private let allowance = OpenFileAllowance()

    /// What is known of a process; nil where it must be looked at.
    func finding(of process: ProcFS.Entry) -> Holder.Kind?? {
        guard let entry = entries[process.number], entry.inode == process.inode, entry.runs.isUnchanged else {
            return nil
        }
        return .some(entry.finding)
    }

    /// How a process has run until now; to be taken before it is looked at.
    func runs(of process: ProcFS.Entry) -> ThreadRuns {
        let number = process.number
        let previous = entries[number].flatMap { $0.inode == process.inode ? $0.runs : nil }
        var threads = previous?.threads ?? []
        if threads.isEmpty {
            let status = ProcessTable.status(number)
            if let status, status.isKernelThread { return .ofKernelThread(status) }
            threads = status?.threadCount == 1 ? [number] : Self.threads(of: number)
        }
        let runs = ThreadRuns(of: number, threads, after: previous, allowance)
        if runs.isComplete { return runs }
        // Threads have come or gone.
        return ThreadRuns(of: number, Self.threads(of: number), after: runs, allowance)
    }

    private static func threads(of process: ProcessID) -> [ProcessID] {
        // Whoever looks at the process is told why.
        (try? ProcessTable.threads(of: process)) ?? []
    }

    mutating func note(_ process: ProcFS.Entry, _ runs: ThreadRuns, _ finding: Holder.Kind?) {
        entries[process.number] = Entry(inode: process.inode, runs: runs, finding: finding)
    }

    /// Forgets who is gone.
    mutating func keep(_ processes: [ProcFS.Entry]) {
        guard entries.count > processes.count else { return }
        let living = Set(processes.map(\.number))
        entries = entries.filter { living.contains($0.key) }
    }
}
