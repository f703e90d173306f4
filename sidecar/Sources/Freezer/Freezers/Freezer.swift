package import RuntimeCore

private import Glibc

/// How processes are kept from running.
package enum FreezerMethod: String, CaseIterable, Sendable {
    /// `cgroup.freeze` of a cgroup2: the kernel proves that nothing runs.
    case cgroup2
    /// `freezer.state` of a cgroup of the version 1 freezer hierarchy.
    case cgroup1
    /// SIGSTOP to every descendant; under fork churn one can be missed.
    case sigstop
}

/// Who is in a freezer's charge.
package struct Population: Sendable {
    package var processes: [ProcessID]
    package var threads: Int
    /// Why somebody may belong to it of whom this process knows nothing; nil where everybody is listed.
    package var doubt: String?
}

/// Stops a set of processes and lets them go again.
package protocol Freezer: AnyObject {
    var method: FreezerMethod { get }

    /// Returns once nothing of the set runs. Throws `notFrozen` at the deadline; the caller then thaws.
    func freeze(until deadline: MonotonicTime) throws(FreezerError)

    /// Whether what `freeze` stopped has stood still since it returned, as far as that can be told: somebody else may have let it go.
    func hasStoodStill() throws(FreezerError) -> Bool

    /// Lets run what `freeze` stopped. Never waits, can be repeated, and works without memory or locks.
    func thaw()

    /// Whether a process belongs to the set now.
    func contains(_ process: ProcessID) -> Bool

    /// Who belongs to the set now.
    func population() throws(FreezerError) -> Population
}
