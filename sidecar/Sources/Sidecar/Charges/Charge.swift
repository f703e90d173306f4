import Freezer
import RuntimeCore

/// Whom a sidecar looks after: all in which `run`, `attach` and `scan` differ. Every call comes from the one thread.
protocol Charge: AnyObject {
    /// The cgroup that is frozen, and whether it is of the sidecar's own making; nil where SIGSTOP must do.
    var cgroup: (cgroup: Cgroup, isOurs: Bool)? { get }

    /// The agent's main process; nil where there is none, or none now.
    var process: ProcessID? { get }

    /// Whoever lives below this process belongs to the agent, wherever it is frozen; nil where nothing of the kind is known.
    var kin: ProcessID? { get }

    /// Readable when there is something to tend; -1 for none.
    var descriptor: CInt { get }

    /// The status to leave with, once the agent is gone for good; nil as long as the sidecar is to go on.
    var exitCode: CInt? { get }

    /// The status to leave with when a signal tells the sidecar to end.
    func status(told signal: CInt) -> CInt

    /// Who is stopped where there is no cgroup.
    func processes(_ lookout: Lookout) -> any ProcessSet

    /// Looks after the agent, each time round the loop.
    ///
    /// - Parameter mayStart: false while a freeze is under way that an agent must not be started into.
    /// - Returns: when it wants to be called again at the latest; nil for no wish.
    func tend(_ workspace: Workspace, mayStart: Bool) throws -> Duration?

    /// A child of this process has ended, with this status of waitpid(2).
    func ended(_ child: ProcessID, status: CInt)

    /// A signal that the sidecar got.
    ///
    /// - Returns: whether it was for the agent; else it is for the sidecar.
    func pass(_ signal: SignalDescriptor.Arrival) -> Bool

    /// `current` has moved.
    ///
    /// - Parameter standing: who was seen in the old tree.
    func follow(_ onSwitch: OnSwitch, standing: [Holder])

    /// The sidecar ends; everyone has been thawed.
    func leave()
}

extension Charge {
    var descriptor: CInt { -1 }
    func status(told signal: CInt) -> CInt { 0 }
    var kin: ProcessID? { nil }
    func ended(_ child: ProcessID, status: CInt) {}
    func pass(_ signal: SignalDescriptor.Arrival) -> Bool { false }
    func leave() {}
}
