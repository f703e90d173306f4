private import Glibc
import RuntimeCore

/// `freeze.lock`: a lock that an executor shares as long as it has the workspace frozen.
///
/// It tells an executor that starts whether what stands frozen under its name is a dead one's leftover, or the work of a living
/// one that bears the same name by mistake. Only a help: who cannot have it freezes all the same, and a file system that loses it
/// costs a clone, never its truth.
enum FreezeHold {
    static let name = "freeze.lock"

    /// The hold; it ends with the descriptor. Nil where it is not to be had.
    static func take(in control: ControlDirectory) -> FileDescriptor? {
        do {
            let file = try control.openRegular(name, O_RDWR | O_CREAT, mode: 0o600)
            guard flock(file.raw, LOCK_SH | LOCK_NB) == 0 else { return nil }
            return file
        } catch {
            return nil
        }
    }

    /// Whether a living process holds it.
    static func isTaken(in control: ControlDirectory) -> Bool {
        do {
            let file = try control.openRegular(name, O_RDWR)
            return flock(file.raw, LOCK_EX | LOCK_NB) != 0 && lastErrno == EWOULDBLOCK
        } catch {
            return false
        }
    }
}
