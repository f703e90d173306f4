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
        try explained(.notFrozen, "the cgroup cannot be frozen") { () throws(SystemError) in try cgroup.freeze() }
        let patience = min(deadline, .now + .milliseconds(3))
        while try !isFrozen() {
            let now = MonotonicTime.now
            guard now < deadline else { throw FreezerError(.notFrozen, cgroup.stragglers()) }
            usleep(now < patience ? 60 : 1000)
        }
    }

    /// Reading `freezer.state` is also what makes the kernel look whether everyone has stopped.
    private func isFrozen() throws(FreezerError) -> Bool {
        try explained(.notFrozen, "the cgroup's state cannot be read") { () throws(SystemError) in
            var buffer = [UInt8](repeating: 0, count: 32)
            let count = try systemCall("pread", "freezer.state") {
                pread(cgroup.freezeSwitch, &buffer, buffer.count, 0)
            }
            return String(decoding: buffer[..<count], as: UTF8.self) == "FROZEN\n"
        }
    }
}
