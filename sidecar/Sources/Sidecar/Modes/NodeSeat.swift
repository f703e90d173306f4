private import Glibc
import Quiesce
import RuntimeCore

/// The node's place at one workspace: taken as long as nobody else serves it.
final class NodeSeat {
    let wsid: String
    private let workspace: Workspace
    private let control: FileDescriptor
    private let logger: Logger
    /// New with each time that the seat is taken.
    private var id = ""
    private var participant: Participant?
    private(set) var isBusy = false

    init(_ workspace: Workspace, logger: Logger) throws(SidecarError) {
        wsid = workspace.wsid
        self.workspace = workspace
        self.logger = logger
        control = try workspace.openControlDirectory()
    }

    /// Whether a change in one of `folders` may concern this seat.
    func isTouched(by changes: ControlWatch.Changes) -> Bool {
        changes.contains(workspace.controlDirectory) || changes.contains(registrations)
    }

    /// Has the control file watched, and who registers.
    func beWatched(by watch: ControlWatch) throws(SystemError) {
        try watch.add(workspace.controlDirectory)
        try watch.add(registrations, .registrations)
    }

    private var registrations: String { "\(workspace.controlDirectory)/sidecars" }

    /// Takes or leaves the seat, and does what the control file asks for.
    ///
    /// - Returns: when it wants to be called again at the latest; nil while nothing is under way.
    func serve() -> Duration? {
        do {
            try sit()
        } catch {
            logger.warn("a workspace is not served", [.error: LogValue(error)])
        }
        guard let participant, case .within(let pace) = participant.step() else {
            isBusy = false
            return nil
        }
        isBusy = true
        return pace
    }

    /// The workspace has been removed; another may have its name by now.
    var isGone: Bool {
        var status = stat()
        return fstat(control.raw, &status) == -1 || status.st_nlink == 0
    }

    func leave() {
        participant?.deregister()
        participant = nil
        isBusy = false
    }

    /// Of several nodes the one that came first stays: if each made room for the other, nobody would serve.
    private func precedes(_ other: Participant.Other, _ own: Participant.Other) -> Bool {
        guard let theirs = other.registration, theirs.mode == .node, let ours = own.registration else { return true }
        return (theirs.startedAt, other.id) < (ours.startedAt, own.id)
    }

    private func sit() throws {
        // Only between two epochs: a freeze that was acknowledged is seen through.
        if isBusy { return }
        let living = try Participant.others(than: "", controlDirectory: control.raw)
        let others = living.filter { $0.id != id }
        if participant == nil, others.isEmpty {
            id = SidecarIdentity.make()
            let agent = VacantWorkspace(workspace)
            let participant = try Participant(
                controlDirectory: control.raw, id: id, mode: .node, agent: agent, logger: logger)
            try participant.register()
            self.participant = participant
            logger.info("serving a workspace without an agent")
        } else if participant != nil, let own = living.first(where: { $0.id == id }),
            let other = others.first(where: { precedes($0, own) })
        {
            leave()
            logger.info("stepping back for another sidecar", [.sidecar: LogValue(other.id)])
        }
    }
}
