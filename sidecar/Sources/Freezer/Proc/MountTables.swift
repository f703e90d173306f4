private import Glibc
import RuntimeCore

/// The mount tables of namespaces, read again only where the kernel says that they have changed (proc(5), `/proc/<pid>/mounts`).
package final class MountTables {
    private struct Known {
        /// `mountinfo`, open: it tells of changes, and keeps the namespace, whose number no other can get meanwhile. -1 where
        /// it is good for one look.
        let file: CInt
        var table: MountTable
        var isCurrent = true
    }

    private var known: [String: Known] = [:]
    private let ownSpace = ProcFS.target("/proc/self/ns/mnt")
    /// More namespaces than this are read anew for each look.
    private static let mostOpen = 16

    package init() {}

    deinit { for entry in known.values where entry.file >= 0 { close(entry.file) } }

    /// Nothing is looked at for a while. Held any longer, the namespace of a container that has ended would keep its file systems
    /// mounted.
    package func rest() {
        for (space, entry) in known where space != ownSpace {
            if entry.file >= 0 { close(entry.file) }
            known[space] = nil
        }
    }

    /// What was found before may have changed.
    func begin() {
        for (space, entry) in known {
            if entry.file >= 0 { known[space]?.isCurrent = false } else { known[space] = nil }
        }
    }

    /// Whether a process shares this one's mounts.
    func isInOwnSpace(_ process: ProcessID) throws(SystemError) -> Bool {
        try ProcFS.existingTarget("/proc/\(process)/ns/mnt") == ownSpace
    }

    /// What a process has mounted; nil once it is gone.
    func seen(by process: ProcessID) throws(SystemError) -> MountTable? {
        let link = "/proc/\(process)/ns/mnt"
        guard let space = try ProcFS.existingTarget(link) else { return nil }
        if var entry = known[space] {
            if !entry.isCurrent {
                // Asked before it is read: what changes while it is read is told the next time.
                if Self.hasChanged(entry.file) {
                    entry.table = MountTable(text: try ProcFS.read(open: entry.file, "mountinfo"))
                }
                entry.isCurrent = true
                known[space] = entry
            }
            return entry.table
        }
        return try read(process, space, link)
    }

    private func read(_ process: ProcessID, _ space: String, _ link: String) throws(SystemError) -> MountTable? {
        do {
            let path = "/proc/\(process)/mountinfo"
            let file = try ProcFS.open(path, CInt(O_RDONLY))
            let table = MountTable(text: try ProcFS.read(open: file.raw, path))
            // In a chroot it is shown a part, by names of its own: good for no other process of the namespace.
            guard let root = try ProcFS.existingTarget("/proc/\(process)/root") else { return nil }
            if root != "/" { return table.within(root) }
            // Else it went into another one meanwhile, and this is that one's.
            guard try ProcFS.existingTarget(link) == space else { return table }
            known[space] = Known(file: known.count < Self.mostOpen ? file.release() : -1, table: table)
            return table
        } catch  where [ENOENT, ESRCH, EINVAL].contains(error.errno) {
            // EINVAL: it is on its way, and has given up its namespaces; its files before.
            return nil
        }
    }

    private static func hasChanged(_ file: CInt) -> Bool {
        var entry = pollfd(fd: file, events: Int16(POLLPRI), revents: 0)
        return poll(&entry, 1, 0) != 0
    }
}
