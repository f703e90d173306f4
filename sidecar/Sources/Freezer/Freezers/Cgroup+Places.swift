private import Glibc
package import RuntimeCore

extension Cgroup {
    /// Where a cgroup of ours could be made: below our own first, then at the top of what is mounted.
    ///
    /// A hybrid machine mounts cgroup2 beside the old hierarchies, a container may show a part of it: so the mount table is read
    /// and no path is assumed.
    static func candidates(_ version: CgroupVersion) throws(FreezerError) -> [String] {
        do {
            let mounts = try MountTable().mounts.filter { version.isShown(by: $0) }
            guard let own = try place(of: "self", version) else { return [] }
            return mounts.flatMap { mount in
                own.isBelow(mount.root) && own != mount.root
                    ? [
                        mount.mountPoint + (mount.root == "/" ? own : String(own.dropFirst(mount.root.count))),
                        mount.mountPoint,
                    ]
                    : [mount.mountPoint]
            }
        } catch {
            throw FreezerError(.unavailable, "the mount table cannot be read", cause: error)
        }
    }

    /// The folder of the cgroup that a process is in; nil where none is mounted here that shows it.
    package static func folder(of process: ProcessID, _ version: CgroupVersion) throws(SystemError) -> String? {
        guard let place = try place(of: "\(process)", version) else { return nil }
        let mount = try MountTable().mounts.first { version.isShown(by: $0) && place.isBelow($0.root) }
        return mount.map { mount in
            let inside = mount.root == "/" ? place : String(place.dropFirst(mount.root.count))
            return inside == "/" ? mount.mountPoint : mount.mountPoint + inside
        }
    }

    /// Whether a process is in this cgroup or below it.
    package func contains(_ process: ProcessID) -> Bool {
        // Gone is not in it.
        guard let place, let other = try? Self.place(of: "\(process)", version) else { return false }
        return other.isBelow(place)
    }

    /// The place of a process in the hierarchy, as `/proc/<pid>/cgroup` has it.
    static func place(of process: String, _ version: CgroupVersion) throws(SystemError) -> String? {
        for line in try ProcFS.read("/proc/\(process)/cgroup").split(separator: UInt8(ascii: "\n")) {
            let parts = String(decoding: line, as: UTF8.self)
                .split(separator: ":", maxSplits: 2, omittingEmptySubsequences: false)
            if parts.count == 3, version.isMeant(byControllers: parts[1], id: parts[0]) { return String(parts[2]) }
        }
        return nil
    }
}
