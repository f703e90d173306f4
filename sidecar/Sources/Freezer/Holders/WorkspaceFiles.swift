private import CShims
private import Glibc
package import RuntimeCore

/// What tells the files of a workspace's file system from others.
package struct WorkspaceFiles: Equatable, Sendable {
    /// As `st_dev` has them: of the workspace, of its live trees (on btrfs each is a device of its own), and of the file system
    /// as a whole, which is what `/proc/<pid>/maps` shows.
    let devices: Set<UInt64>
    /// The workspace's folder within its file system, whatever it is mounted as; nil where the mount table does not tell.
    let place: Place?
    /// A clone on this machine reads the same page cache as the agent writes.
    package let isLocal: Bool
    /// FUSE: a process answers for it.
    let isServedByProcess: Bool
    /// Set on a network file system, where one volume may be mounted more than once, each time as another device.
    let volume: Volume?

    /// What two mounts of one volume have in common.
    struct Volume: Hashable, Sendable {
        let fileSystem: String
        let source: String
    }

    /// A mount that shows a live tree under another name: whoever works there stays in the old tree after `current` has moved
    /// on.
    package struct PinnedMount: Sendable {
        package let mountPoint: String
        /// In whose mount namespace; nil for this process's own.
        package let process: ProcessID?

        package var refusal: String {
            let owner = process.map { " of process \($0)" } ?? ""
            return "\(mountPoint)\(owner) is a mount of one live tree and would not follow current;"
                + " mount the workspace's folder instead"
        }
    }

    /// Among this process's own mounts.
    package func pinnedMount() throws(SystemError) -> PinnedMount? {
        try pinnedMount(in: MountTable()).map { PinnedMount(mountPoint: $0, process: nil) }
    }

    /// Among the mounts of those processes that have others than this one.
    package func pinnedMount(seenBy processes: [ProcessID]) throws(SystemError) -> PinnedMount? {
        var seen: Set<String?> = [ProcFS.target("/proc/self/ns/mnt")]
        for process in processes {
            let space = ProcFS.target("/proc/\(process)/ns/mnt")
            guard space == nil || seen.insert(space).inserted else { continue }
            if let table = try MountTable.seen(by: process), let found = pinnedMount(in: table) {
                return PinnedMount(mountPoint: found, process: process)
            }
        }
        return nil
    }

    private func pinnedMount(in table: MountTable) -> String? {
        guard let place else { return nil }
        return table.mounts.first { mount in
            mount.device == place.device && mount.root != "/" && mount.root.isBelow(place.path + "/live")
        }?.mountPoint
    }

    /// What a process may call the workspace: by the mounts that it has of this file system, and as this one calls it.
    package func names(of path: String, seenBy process: ProcessID) -> [String] {
        guard let place, let table = try? MountTable(process: String(process)) else { return [path] }
        let names = table.mounts.filter { $0.device == place.device && place.path.isBelow($0.root) }.map { mount in
            let inside = mount.root == "/" ? place.path : String(place.path.dropFirst(mount.root.count))
            return mount.mountPoint == "/" ? inside : mount.mountPoint + inside
        }
        return names + [path]
    }

    /// As mountinfo calls it; nil on a local one.
    package var fileSystem: String? { volume?.fileSystem }

    /// Where the root of the workspace's file system is mounted.
    package var roots: [String] {
        guard let device = place?.device, let table = try? MountTable() else { return [] }
        return table.mounts.filter { $0.device == device && $0.root == "/" }.map(\.mountPoint)
    }

    struct Place: Hashable, Sendable {
        let device: String
        let path: String
    }

    /// - Parameter workspace: the folder's absolute path, without links.
    package init(workspace: String) throws(SystemError) {
        var devices: Set<UInt64> = [try identify(workspace).identity.device]
        let current = try ProcFS.unlessGone { () throws(SystemError) in try identify("\(workspace)/current") }
        if let current { devices.insert(current.identity.device) }
        // `live` may be closed to us; then `current` is what counts.
        if let stream = opendir("\(workspace)/live") {
            defer { closedir(stream) }
            while let entry = readdir(stream) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if let tree = try? identify("\(workspace)/live/\(name)"), tree.isDirectory {
                    devices.insert(tree.identity.device)
                }
            }
        }
        isLocal = LocalFileSystem.holds(workspace)
        let mounts = try MountTable()
        place = mounts.place(of: workspace)
        let mount = mounts.mount(of: workspace)
        isServedByProcess = mount?.fileSystem.hasPrefix("fuse") ?? false
        volume = isLocal ? nil : mount?.volume
        if let device = mount?.number { devices.insert(device) }
        self.devices = devices
    }
}

/// - Parameter follow: whether a link at the end is followed; those of /proc lead to the open file itself.
func identify(_ path: String, in directory: CInt = AT_FDCWD, follow: Bool = true) throws(SystemError) -> FileStatus {
    var found = wvs_identity()
    try systemCall("statx", path) { wvs_identify(directory, path, follow ? 1 : 0, &found) }
    return FileStatus(identity: FileIdentity(device: found.device, inode: found.inode), mode: found.mode)
}

/// As makedev(3).
func deviceNumber(_ major: UInt64, _ minor: UInt64) -> UInt64 {
    (major & 0xffff_f000) << 32 | (major & 0xfff) << 8 | (minor & 0xffff_ff00) << 12 | minor & 0xff
}

extension MountTable.Mount {
    var volume: WorkspaceFiles.Volume { WorkspaceFiles.Volume(fileSystem: fileSystem, source: source) }

    /// As `st_dev` has it.
    var number: UInt64? {
        let numbers = device.split(separator: ":").compactMap { UInt64($0) }
        return numbers.count == 2 ? deviceNumber(numbers[0], numbers[1]) : nil
    }
}
