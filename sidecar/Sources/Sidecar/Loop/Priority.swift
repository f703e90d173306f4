private import CShims
private import Glibc
import RuntimeCore

/// The sidecar's place in the scheduler.
enum Priority {
    /// The nice value of this process: what the agent is to have.
    static var own: CInt { getpriority(CInt(PRIO_PROCESS.rawValue), 0) }

    /// Puts this process before a busy agent, where that is allowed: a thaw must not wait for its turn.
    static func raise(_ logger: Logger) {
        if wvs_become_realtime() == -1, setpriority(CInt(PRIO_PROCESS.rawValue), 0, -20) == -1 {
            logger.debug("the priority stays as it is", [.reason: LogValue(SystemError("setpriority"))])
        }
    }
}
