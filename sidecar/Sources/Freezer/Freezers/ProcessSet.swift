package import RuntimeCore

/// Processes that belong together for another reason than a cgroup.
package protocol ProcessSet: AnyObject {
    /// Who belongs to it now.
    func members() throws(SystemError) -> [ProcessID]

    /// Whether a process belongs to it now.
    func contains(_ process: ProcessID) -> Bool
}

/// Everyone below a process that keeps its orphans: as their subreaper, or as PID 1.
package final class Descendants: ProcessSet {
    private let ancestor: ProcessID
    private let spared: Set<ProcessID>

    /// - Parameters:
    ///   - ancestor: does not belong to the set itself.
    ///   - spared: left alone, with what is below them.
    package init(of ancestor: ProcessID, except spared: Set<ProcessID>) {
        self.ancestor = ancestor
        self.spared = spared
    }

    package func members() throws(SystemError) -> [ProcessID] {
        try ProcessTable.descendants(of: [ancestor], except: spared)
    }

    package func contains(_ process: ProcessID) -> Bool {
        var next = process
        while next > 1, !spared.contains(next), let status = ProcessTable.status(next) {
            if status.parent == ancestor { return true }
            next = status.parent
        }
        return false
    }
}

/// A process that somebody else started, and its descendants.
///
/// Its orphans go to somebody else, and nothing tells when: whoever was once seen below it stays in the set as long as it lives.
package final class ProcessTree: ProcessSet {
    private struct Known: Hashable {
        let pid: ProcessID
        let startTime: UInt64
    }

    private let spared: () -> Set<ProcessID>
    private var known: Set<Known> = []

    /// The process at the top; nil while there is none.
    package private(set) var root: ProcessID?

    /// - Parameter spared: left alone, with what is below them; asked with each look.
    package init(except spared: @escaping () -> Set<ProcessID>) { self.spared = spared }

    /// Puts another process at the top; what was seen below the last one stays.
    ///
    /// - Returns: false where the process has ended already.
    package func replaceRoot(_ pid: ProcessID?) -> Bool {
        root = nil
        guard let pid else { return true }
        guard let status = ProcessTable.status(pid), !status.isEnded else { return false }
        root = pid
        known.insert(Known(pid: pid, startTime: status.startTime))
        return true
    }

    package func members() throws(SystemError) -> [ProcessID] {
        known = known.filter { ProcessTable.status($0.pid)?.startTime == $0.startTime }
        let below = try ProcessTable.descendants(of: known.map(\.pid), except: spared())
        for pid in below {
            if let status = ProcessTable.status(pid) { known.insert(Known(pid: pid, startTime: status.startTime)) }
        }
        return known.map(\.pid)
    }

    package func contains(_ process: ProcessID) -> Bool { known.contains { $0.pid == process } }
}

/// Everyone who holds anything of a workspace's live trees.
package final class HolderSet: ProcessSet {
    private let spared: () -> Set<ProcessID>
    private let holders: () -> WorkspaceHolders?
    private var found: Set<ProcessID> = []

    /// - Parameters:
    ///   - holders: who finds them; asked with each look. Nil while there is no workspace.
    ///   - spared: left alone; asked with each look.
    package init(
        holders: @escaping () -> WorkspaceHolders?, except spared: @escaping () -> Set<ProcessID>
    ) {
        self.holders = holders
        self.spared = spared
    }

    package func members() throws(SystemError) -> [ProcessID] {
        let spared = spared()
        let list = try holders()?.all(except: spared).compactMap { $0.isCertain ? $0.process : nil } ?? []
        found = Set(list)
        return list
    }

    package func contains(_ process: ProcessID) -> Bool { found.contains(process) }
}
