private import Glibc
package import RuntimeCore

/// Finds processes that hold files of a workspace's live trees, among all that this one can see.
///
/// Looking again is quick: see `ProcessLedger`.
package final class WorkspaceHolders {
    package enum Interest: Sendable {
        /// Regular files open for writing, and mappings shared and writable.
        case writing
        /// Files open or mapped in any way, working directories and roots; not open directories.
        case anything
    }

    /// What the workspace was when this was made.
    package let files: WorkspaceFiles
    package let kin: ProcessID?
    private let unsuspected: Set<ProcessID>
    private let tables: MountTables
    private var query: HolderQuery
    private var ledger = ProcessLedger()
    /// Those that were asked for since `begin`.
    private var parents: [ProcessID: ProcessID] = [:]
    /// How many processes the last look could not take from the ledger.
    package private(set) var lookedAt = 0

    /// - Parameters:
    ///   - kin: whoever lives below this process belongs to the agent: found outside the set that is frozen, it has left it. Nil where nothing of the kind is known.
    ///   - unsuspected: who counts only where it is seen to hold something, as the init that has started this process.
    package init(
        _ files: WorkspaceFiles, _ interest: Interest, kin: ProcessID? = nil, unsuspected: Set<ProcessID> = [],
        _ tables: MountTables = MountTables()
    ) {
        self.files = files
        self.kin = kin
        self.unsuspected = unsuspected
        self.tables = tables
        query = HolderQuery(files, part: "live", interest == .writing ? .writing : .anything, tables)
    }

    /// Before the first of a few looks in a row: forgets who descends from whom.
    package func begin() { parents = [:] }

    /// The first holder; who was seen before who is only suspected.
    ///
    /// - Parameters:
    ///   - known: left out without a look.
    ///   - isKnown: asked about those that hold something.
    package func first(except known: Set<ProcessID> = [], unless isKnown: (ProcessID) -> Bool = { _ in false })
        throws(FreezerError) -> Holder?
    {
        let holders = try explained(.notFrozen, "the processes cannot be listed") { () throws(SystemError) in
            try all(except: known).filter { !isKnown($0.process) }
        }
        return holders.first(where: \.isCertain) ?? holders.first
    }

    /// Every holder, in no order.
    package func all(except known: Set<ProcessID> = []) throws(SystemError) -> [Holder] {
        let own = getpid()
        let processes = try ProcFS.entries("/proc")
        tables.begin()
        lookedAt = 0
        var result: [Holder] = []
        for process in processes where process.number != own && !known.contains(process.number) {
            guard let kind = finding(process) else { continue }
            if kind == .mayHold, unsuspected.contains(process.number) { continue }
            result.append(Holder(process: process.number, kind: kind))
        }
        ledger.keep(processes)
        return result
    }

    private func finding(_ process: ProcFS.Entry) -> Holder.Kind? {
        if let known = ledger.finding(of: process) { return known }
        let runs = ledger.runs(of: process)
        if runs.status?.isKernelThread == true {
            ledger.note(process, runs, nil)
            return nil
        }
        lookedAt += 1
        let threads = runs.isComplete && !runs.threads.isEmpty ? runs.threads : nil
        let finding = query.look(at: process.number, threads) ?? departure(of: process.number, runs.status)
        ledger.note(process, runs, finding)
        return finding
    }

    private func departure(of process: ProcessID, _ status: ProcessTable.Status?) -> Holder.Kind? {
        guard let kin, let status, descends(from: kin, status.parent),
            ProcessTable.status(process)?.isEnding == false
        else { return nil }
        return .hasLeft
    }

    /// Whether `process` is `kin` or lives below it.
    private func descends(from kin: ProcessID, _ process: ProcessID) -> Bool {
        var passed: [ProcessID] = []
        var next = process
        // A parent in another PID namespace is 0.
        while next > 0, !passed.contains(next) {
            if next == kin { return true }
            passed.append(next)
            let parent = parents[next] ?? ProcessTable.status(next)?.parent ?? 0
            parents[next] = parent
            next = parent
        }
        return false
    }

    /// Who among `processes` stands in a part of the workspace with a working directory, root, open file or mapping.
    ///
    /// - Parameter part: for example `live/<id>`.
    package static func standing(
        in part: String, of files: WorkspaceFiles, among processes: [ProcessID], _ tables: MountTables = MountTables()
    ) -> [Holder] {
        tables.begin()
        var query = HolderQuery(files, part: part, .standing, tables)
        return processes.compactMap { process in
            guard case .holds(let path)? = query.look(at: process) else { return nil }
            return Holder(process: process, kind: .holds(path))
        }
    }
}
