import Freezer
private import Glibc
import Quiesce
import RuntimeCore

/// A workspace that nobody works in, as the protocol sees it: there is nothing to freeze, only to look whether that is so.
///
/// It sees the processes of its own PID namespace and no other, and those only that it may look into; so its word is always
/// best effort.
final class VacantWorkspace: FrozenAgent {
    private let workspace: Workspace
    private var deadline: MonotonicTime?

    init(_ workspace: Workspace) { self.workspace = workspace }

    var method: FreezeMethod { .none }

    func armLease(epoch: UInt64, until deadline: MonotonicTime) throws(AgentError) { self.deadline = deadline }

    func extendLease(until deadline: MonotonicTime) -> Bool {
        guard isWithinLease else { return false }
        self.deadline = deadline
        return true
    }

    /// Also looks for somebody who has come meanwhile. One that came and went is not seen.
    func release() -> Bool {
        defer { thaw() }
        guard isWithinLease else { return false }
        do {
            return try holder(.writing) == nil
        } catch {
            return false
        }
    }

    func freeze(deadline: MonotonicTime) throws(AgentError) -> FreezeReport {
        if let holder = try holder(.anything) {
            throw AgentError("the workspace is in use without a sidecar: \(holder)")
        }
        return FreezeReport(method: .none, processes: 0, threads: 0, doubt: "nobody was seen in the workspace")
    }

    func flush(deadline: MonotonicTime, forSwitch: Bool, stillWanted: () -> Bool) throws(AgentError) -> FlushReport {
        // Incomplete: what another container holds open is not seen from here.
        FlushReport(flushedFiles: 0, openFiles: OpenFiles(complete: false, files: []))
    }

    func thaw() { deadline = nil }

    func sees(current target: String) -> Bool { workspace.isCurrent(target) }

    private func holder(_ interest: WorkspaceHolders.Interest) throws(AgentError) -> Holder? {
        do {
            let holder = try WorkspaceHolders(try workspace.files(), interest).first()
            // Of those that it may not look into it knows nothing: its word is best effort.
            return holder?.isCertain == true ? holder : nil
        } catch {
            throw AgentError(String(describing: error))
        }
    }

    private var isWithinLease: Bool { deadline.map { MonotonicTime.now < $0 } ?? false }
}
