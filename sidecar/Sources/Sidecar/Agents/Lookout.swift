import Freezer
private import Glibc
import RuntimeCore

/// What a sidecar knows of the processes around its agent: who holds the workspace, and who must never be frozen.
final class Lookout {
    let guardian: ProcessID
    /// This process and its guardian.
    let own: Set<ProcessID>
    private let ancestors: Set<ProcessID>
    private let servers = MountServers()
    let tables = MountTables()
    private let kin: () -> ProcessID?

    /// As of the last `renew`.
    private(set) var files: WorkspaceFiles?
    /// Finds who writes.
    private(set) var writers: WorkspaceHolders?
    /// Finds who uses the workspace in any way.
    private(set) var users: WorkspaceHolders?
    /// Why what is flushed there reaches nobody; nil for no reason.
    private(set) var writeback: String?
    /// This process, those that it descends from, its guardian, and what serves the workspace's file system.
    private(set) var spared: Set<ProcessID>

    private let logger: Logger

    /// - Parameter kin: see `Charge.kin`.
    init(guardian: ProcessID, kin: @escaping () -> ProcessID?, logger: Logger) {
        self.logger = logger
        self.guardian = guardian
        self.kin = kin
        own = [getpid(), guardian]
        ancestors = Set(ProcessTable.ancestors(of: getpid()) + [getpid(), guardian])
        spared = ancestors
    }

    /// Looks at the workspace anew. What was found out about processes is kept where it has not changed.
    func renew(_ workspace: Workspace) throws(SystemError) {
        let files = try workspace.files()
        if files != self.files { writeback = WritebackMount.refusal(files, logger) }
        if files != self.files || writers?.kin != kin() {
            self.files = files
            writers = WorkspaceHolders(files, .writing, kin: kin(), unsuspected: ancestors, tables)
            users = WorkspaceHolders(files, .anything, tables)
        }
        writers?.begin()
        spared = ancestors.union(servers.servers(of: files))
    }

    /// Why the agent must not be frozen; nil for no reason.
    func objection(to members: [ProcessID]) -> String? {
        guard let pid = members.first(where: spared.contains) else { return nil }
        if pid == getpid() { return "the sidecar itself would be frozen with the agent: process \(pid)" }
        if ancestors.contains(pid) { return "process \(pid), which the sidecar needs, would be frozen with the agent" }
        return "process \(pid), which serves the workspace's file system, would be frozen with the agent"
    }
}
