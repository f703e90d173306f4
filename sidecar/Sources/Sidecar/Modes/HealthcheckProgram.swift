import Freezer
private import Glibc
import Quiesce
import RuntimeCore

/// `wvs-sidecar healthcheck`: an exit code for probes.
///
/// It only reads files, so it needs neither the agent's cgroup nor any right over a process; and it must not run in a cgroup that
/// is frozen.
enum HealthcheckProgram {
    /// - Returns: 0 for healthy, 1 for unhealthy; the reason is printed.
    static func run(_ settings: ProbeSettings) -> CInt {
        let machine = WorkspaceStatus.Machine(settings)
        do {
            var summaries: [String] = []
            for node in machine.nodes {
                if let problem = problem(node) { return unhealthy(problem) }
                summaries.append(node.condition)
            }
            for path in machine.workspaces {
                let status = try WorkspaceStatus(path, stateDirectory: settings.stateDirectory)
                if let problem = try problem(status) ?? overdue(status, settings) { return unhealthy(problem) }
                summaries.append(summary(status))
            }
            if summaries.isEmpty { return unhealthy("no sidecar has a state file in \(settings.stateDirectory)") }
            print("healthy: \(summaries.joined(separator: "; "))")
            return 0
        } catch {
            return unhealthy(String(describing: error))
        }
    }

    private static func unhealthy(_ problem: String) -> CInt {
        print("unhealthy: \(problem)")
        return 1
    }

    /// What is wrong at first sight.
    static func problem(_ status: WorkspaceStatus) -> String? {
        if let problem = status.problem { return problem }
        guard let sidecar = status.local.last(where: { $0.state != nil }) else {
            if node(status) != nil { return nil }
            guard let dead = status.local.last else { return "no sidecar of this workspace runs on this machine" }
            return "the sidecar has died: pid \(dead.note.pid)"
        }
        if let problem = problem(sidecar) { return problem }
        guard let registered = status.sidecar(sidecar.note.sidecar) else {
            return "the sidecar is not registered in the workspace: \(sidecar.note.sidecar)"
        }
        if !registered.isLiving { return "the sidecar has lost the lock on its registration: \(registered.id)" }
        return nil
    }

    /// What is wrong with a process that has a state file.
    private static func problem(_ sidecar: WorkspaceStatus.Local) -> String? {
        guard let state = sidecar.state, ![UInt8(ascii: "Z"), UInt8(ascii: "X")].contains(state) else {
            return "the sidecar has died: pid \(sidecar.note.pid)"
        }
        if sidecar.isStopped { return "the sidecar is stopped: pid \(sidecar.note.pid)" }
        if sidecar.note.mode != .node, !sidecar.hasGuardian {
            return "the sidecar has no guardian: pid \(sidecar.note.pid)"
        }
        return nil
    }

    /// A request that waits for an answer while the sidecar does nothing at all. One that is freezing or flushing runs every
    /// few milliseconds.
    private static func overdue(_ status: WorkspaceStatus, _ settings: ProbeSettings) throws -> String? {
        guard let sidecar = status.local.last(where: { $0.state != nil }), let epoch = unanswered(sidecar, status),
            let before = ThreadRuns.counts(of: sidecar.note.pid)
        else { return nil }
        let deadline = MonotonicTime.now + settings.patience
        while MonotonicTime.now < deadline {
            usleep(5000)
            if ThreadRuns.counts(of: sidecar.note.pid) != before { return nil }
        }
        let later = try WorkspaceStatus(status.path, stateDirectory: settings.stateDirectory)
        guard unanswered(sidecar, later) == epoch else { return nil }
        return "the sidecar does not answer the request of epoch \(epoch): pid \(sidecar.note.pid)"
    }

    /// The epoch of a request that this sidecar should be answering.
    private static func unanswered(_ sidecar: WorkspaceStatus.Local, _ status: WorkspaceStatus) -> UInt64? {
        let id = sidecar.note.sidecar
        guard let document = status.document, document.state == .requestFreeze, document.expects.contains(id),
            document.acknowledgements[id] == nil, document.errors[id] == nil
        else { return nil }
        return document.epoch
    }

    private static func summary(_ status: WorkspaceStatus) -> String {
        if let sidecar = status.local.last(where: { $0.state != nil }) { return sidecar.condition }
        return "no agent; \(node(status).map(\.id) ?? "") answers as node"
    }

    private static func node(_ status: WorkspaceStatus) -> ControlView.Sidecar? {
        status.view?.sidecars.first {
            $0.isLiving && $0.registration?.mode == .node && $0.registration?.host == SidecarIdentity.host
        }
    }
}
