import Freezer
private import Glibc
import Quiesce
import RuntimeCore

/// A cgroup that stands frozen when a sidecar comes to it: its predecessor may have died together with the guardian, and where the
/// state file went with them nobody else would ever thaw it.
enum Leftover {
    /// Thaws it where `.wvs` shows that a sidecar has died; else it may be an operator who has paused it.
    ///
    /// - Returns: whom the freeze under way expects, and who is dead; nil for nobody.
    static func release(_ cgroup: Cgroup, control: CInt, _ logger: Logger) throws(SystemError) -> String? {
        guard try cgroup.isSwitchedOn() else { return nil }
        let view = try ControlView(controlDirectory: control)
        let document = view.reading.document
        let living = Set(view.sidecars.filter(\.isLiving).map(\.id))
        let lost = document?.state == .running ? nil : document?.expects.first { !living.contains($0) }
        let hasDied = view.sidecars.contains { !$0.isLiving && $0.registration?.mode != .node }
        guard lost != nil || hasDied else {
            logger.warn(
                "the cgroup stands frozen, and not by a sidecar of this workspace: it is left so",
                [.cgroup: LogValue(cgroup.path)])
            return nil
        }
        cgroup.thaw()
        logger.warn(
            "the cgroup stood frozen after a sidecar's death: thawed",
            [.cgroup: LogValue(cgroup.path), .sidecar: .text(lost ?? "")])
        return lost
    }
}
