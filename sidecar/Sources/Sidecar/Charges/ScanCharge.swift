import Freezer
import RuntimeCore

/// `scan`: whoever works in the workspace.
final class ScanCharge: Charge {
    let cgroup: (cgroup: Cgroup, isOurs: Bool)? = nil
    let process: ProcessID? = nil
    let exitCode: CInt? = nil
    private let logger: Logger

    init(_ logger: Logger) { self.logger = logger }

    func processes(_ lookout: Lookout) -> any ProcessSet {
        HolderSet(holders: { lookout.users }, except: { lookout.spared })
    }

    func tend(_ workspace: Workspace, mayStart: Bool) -> Duration? { nil }

    func follow(_ onSwitch: OnSwitch, standing: [Holder]) { onSwitch.signal(standing.map(\.process), logger) }
}
