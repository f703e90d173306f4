import RuntimeCore

/// A freezer of one cgroup; the versions differ in how they freeze, and in how they say that it is done.
package protocol CgroupFreezer: Freezer {
    var cgroup: Cgroup { get }
}

extension CgroupFreezer {
    package func thaw() { cgroup.release() }

    package func population() throws(FreezerError) -> Population {
        try explained(.notFrozen, "the members of the cgroup cannot be read") { () throws(SystemError) in
            try cgroup.population()
        }
    }

    package func contains(_ process: ProcessID) -> Bool { cgroup.contains(process) }
}
