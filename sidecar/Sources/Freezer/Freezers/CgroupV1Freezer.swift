private import Glibc
package import RuntimeCore

extension Cgroup {
    /// The freezer for a cgroup of this kind.
    package func freezer() throws(FreezerError) -> any Freezer {
        switch version {
        case .v2: try CgroupV2Freezer(self)
        case .v1: CgroupV1Freezer(self)
        }
    }
}

/// Freezes a cgroup of the version 1 freezer hierarchy: like cgroup2, but its state must be polled, and a process that is
/// killed while frozen dies at the thaw.
package final class CgroupV1Freezer: CgroupFreezer {
    package let cgroup: Cgroup

    package var method: FreezerMethod { .cgroup1 }

    package init(_ cgroup: Cgroup) { self.cgroup = cgroup }

    package func freeze(until deadline: MonotonicTime) throws(FreezerError) {
        try cgroup.freeze()
        let patience = min(deadline, .now + .milliseconds(3))
        while try !isFrozen() {
            let now = MonotonicTime.now
            guard now < deadline else { throw FreezerError(.notFrozen, cgroup.stragglers()) }
            usleep(now < patience ? 60 : 1000)
        }
    }

    /// A thaw and another freeze in between leave no trace in this version.
    package func hasStoodStill() throws(FreezerError) -> Bool { try isFrozen() }

    /// Reading `freezer.state` is also what makes the kernel look whether everyone has stopped.
    private func isFrozen() throws(FreezerError) -> Bool {
        try explained(.notFrozen, "the cgroup's state cannot be read") { () throws(SystemError) in
            try ProcFS.start(of: cgroup.freezeSwitch, "freezer.state") == "FROZEN\n"
        }
    }
}
