private import Glibc
import RuntimeCore

extension Cgroup {
    /// Where a cgroup of ours could be made: below our own first, then at the top of what is mounted.
    ///
    /// A hybrid machine mounts cgroup2 beside the old hierarchies, a container may show a part of it: so the mount table is read
    /// and no path is assumed.
    static func candidates() throws(FreezerError) -> [String] {
        do {
            let mounts = try MountTable().mounts.filter { $0.fileSystem == "cgroup2" }
            guard let own = try path(of: "self") else { return [] }
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

    /// Whether a process is in this cgroup or below it.
    func contains(_ process: ProcessID) -> Bool {
        // Gone is not in it.
        guard let own = try? Self.path(of: "\(process)") else { return false }
        let name = path.split(separator: "/").last ?? ""
        return own.split(separator: "/").contains(name)
    }

    /// The `0::` line of a process: its place in the cgroup2 hierarchy.
    private static func path(of process: String) throws(SystemError) -> String? {
        let lines = try ProcFS.read("/proc/\(process)/cgroup").split(separator: UInt8(ascii: "\n"))
        let line = lines.map { String(decoding: $0, as: UTF8.self) }.first { $0.hasPrefix("0::") }
        return line.map { String($0.dropFirst(3)) }
    }
}
