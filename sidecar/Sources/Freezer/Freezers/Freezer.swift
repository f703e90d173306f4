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
}

/// Stops a set of processes and lets them go again.
package protocol Freezer: AnyObject {
    var method: FreezerMethod { get }

    /// Returns once nothing of the set runs. Throws `notFrozen` at the deadline; the caller then thaws.
    func freeze(until deadline: MonotonicTime) throws(FreezerError)

    /// Lets everything run. Never waits, can be repeated, and works without memory or locks.
    func thaw()

    /// Whether a process belongs to the set now.
    func contains(_ process: ProcessID) -> Bool

    /// Who belongs to the set now.
    func population() throws(FreezerError) -> Population
}
