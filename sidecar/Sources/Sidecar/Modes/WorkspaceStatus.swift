import Freezer
import Quiesce
import RuntimeCore

/// All that can be seen of a workspace and its sidecars from here.
struct WorkspaceStatus {
    /// A sidecar of this machine, by its state file.
    struct Local {
        let note: StateFile.Note
        /// As proc(5) has it; nil once the sidecar is gone.
        let state: UInt8?
        let hasGuardian: Bool
        let agentState: UInt8?
        /// Nil where it has none, or none any more.
        let cgroup: CgroupReport?

        init(_ note: StateFile.Note) {
            self.note = note
            state = note.isOwnerAlive ? ProcessTable.status(note.pid)?.state : nil
            hasGuardian = ProcessTable.status(note.guardian).map { $0.parent == note.pid && !$0.isEnded } ?? false
            agentState = note.agent.flatMap { ProcessTable.status($0)?.state }
            cgroup = note.cgroup.flatMap(CgroupReport.init)
        }

        /// Stopped by a signal or a debugger: it does nothing.
        var isStopped: Bool { state.map { [UInt8(ascii: "T"), UInt8(ascii: "t")].contains($0) } ?? false }
    }

    let path: String
    let wsid: String
    let current: String?
    /// Nil where `.wvs` may not be read; `problem` then says why.
    let view: ControlView?
    let problem: String?
    let local: [Local]

    /// - Throws: where there is no workspace.
    init(_ given: String, stateDirectory: String) throws(SidecarError) {
        guard let workspace = try Workspace(at: given) else {
            throw SidecarError(.workspace, "\(given) is not there, or not a whole workspace yet")
        }
        path = workspace.path
        wsid = workspace.wsid
        current = workspace.current()
        do {
            let control = try workspace.openControlDirectory()
            view = try ControlView(controlDirectory: control.raw)
            problem = nil
        } catch {
            view = nil
            problem = String(describing: error)
        }
        // No folder, no sidecar.
        let files = (try? StateFile.files(directory: stateDirectory, wsid: workspace.wsid)) ?? []
        local = files.compactMap { $0.note.map(Local.init) }.sorted { $0.note.startTime < $1.note.startTime }
    }

    /// What is known of a machine from its state files.
    struct Machine {
        /// Paths.
        let workspaces: [String]
        let nodes: [Local]

        init(_ settings: ProbeSettings) {
            if let workspace = settings.workspace {
                (workspaces, nodes) = ([workspace], [])
                return
            }
            let files = (try? StateFile.files(directory: settings.stateDirectory, wsid: nil)) ?? []
            let notes = files.compactMap(\.note)
            workspaces = Set(notes.filter { $0.mode != .node }.map(\.workspace)).sorted()
            nodes = notes.filter { $0.mode == .node }.map(Local.init)
        }
    }

    var document: ControlDocument? { view?.reading.document }

    func sidecar(_ id: String) -> ControlView.Sidecar? { view?.sidecars.first { $0.id == id } }
}
