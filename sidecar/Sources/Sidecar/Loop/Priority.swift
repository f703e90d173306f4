private import CShims
private import Glibc
import RuntimeCore

/// The sidecar's place in the scheduler.
enum Priority {
    /// Puts this process before a busy agent, where that is allowed: a thaw must not wait for its turn.
    ///
    /// - Returns: the nice value it had, which the agent gets back.
    static func raise(_ logger: Logger) -> CInt {
        errno = 0
        let nice = getpriority(CInt(PRIO_PROCESS.rawValue), 0)
        if wvs_become_realtime() == -1, setpriority(CInt(PRIO_PROCESS.rawValue), 0, -20) == -1 {
            logger.debug("the priority stays as it is", [.reason: LogValue(SystemError("setpriority"))])
        }
        return nice
    }
}
