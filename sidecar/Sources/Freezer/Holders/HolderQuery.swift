private import Glibc
import RuntimeCore

/// What one process holds of a part of a workspace, by where a file lies in its file system: whatever the process's
/// container calls it.
struct HolderQuery {
    enum Interest: Sendable {
        /// Regular files open for writing, and mappings shared and writable.
        case writing
        /// Files open or mapped in any way, working directories and roots. Open directories do not count: an executor that
        /// is about to clone holds them, and nobody writes through one.
        case anything
        /// Open directories too.
        case standing
    }

    let interest: Interest
    private var devices: Set<UInt64>
    private let volume: WorkspaceFiles.Volume?
    private let area: WorkspaceFiles.Place?
    private let control: WorkspaceFiles.Place?
    private let tables: MountTables
    /// A file of this very file system is open for writing, and nothing tells where in it.
    private var hasLostTrack = false

    /// - Parameter part: of the workspace, for example `live`.
    init(_ files: WorkspaceFiles, part: String, _ interest: Interest, _ tables: MountTables) {
        self.interest = interest
        self.tables = tables
        devices = files.devices
        volume = files.volume
        area = files.place.map { WorkspaceFiles.Place(device: $0.device, path: "\($0.path)/\(part)") }
        control = files.place.map { WorkspaceFiles.Place(device: $0.device, path: "\($0.path)/.wvs") }
    }

    /// Nil where it holds nothing, or has ended.
    ///
    /// - Parameter known: its threads, where they have just been listed.
    mutating func look(at process: ProcessID, _ known: [ProcessID]? = nil) -> Holder.Kind? {
        hasLostTrack = false
        do {
            let all = if let known { known } else { try ProcessTable.threads(of: process) }
            let threads = try ProcessTable.descriptorTables(of: process, all)
            guard let living = threads.first else { return nil }
            if let volume, let table = try tables.seen(by: living) {
                devices.formUnion(table.mounts.filter { $0.volume == volume }.compactMap(\.number))
            }
            guard let path = try found(by: process, threads, living) else { return hasLostTrack ? .mayHold : nil }
            // Executors and other sidecars hold the control directory, which is closed to agents.
            if interest == .anything, try holdsControl(process) { return nil }
            return .holds(path)
        } catch {
            if error.errno == ENOENT || error.errno == ESRCH { return nil }
            return ProcessTable.isLiving(process) && mayReach(process) ? .mayHold : nil
        }
    }

    private mutating func found(by process: ProcessID, _ threads: [ProcessID], _ living: ProcessID) throws(SystemError)
        -> String?
    {
        // First, since it fails at once where we may not look.
        if let path = try ProcFS.unlessGone({ () throws(SystemError) in try mapped(by: living) }) ?? nil { return path }
        if interest != .writing {
            for link in ["cwd", "root", "exe"] {
                if let path = try inside("/proc/\(living)/\(link)", of: living) { return path }
            }
        }
        // A thread may end meanwhile, and the others go on.
        for thread in threads {
            let path = try ProcFS.unlessGone { () throws(SystemError) in try opened(by: process, thread) }
            if let path, let path { return path }
        }
        return nil
    }

    private mutating func opened(by process: ProcessID, _ thread: ProcessID) throws(SystemError) -> String? {
        let folder = "/proc/\(process)/task/\(thread)/fd"
        guard let directory = try ProcFS.openList(folder) else {
            return try taken(from: process, thread)
        }
        for entry in try ProcFS.entries(in: directory, folder) {
            let name = String(entry.number)
            var isIdentified = true
            let isOfInterest = try ProcFS.unlessGone { () throws(SystemError) in
                // The link's own mode tells how the file was opened and costs no visit to the file's file system.
                if interest == .writing {
                    guard try identify(name, in: directory.raw, follow: false).isOpenForWriting else { return false }
                }
                do throws(SystemError) {
                    let file = try identify(name, in: directory.raw)
                    return devices.contains(file.identity.device) && counts(file)
                } catch  where ![ENOENT, ESRCH].contains(error.errno) {
                    isIdentified = false  // another user's FUSE keeps its files from us: its name tells where it lies
                    return true
                }
            }
            guard isOfInterest == true, let target = try ProcFS.existingTarget("\(folder)/\(name)") else { continue }
            if isInside(try place(of: target, in: thread)) { return target }
            guard isIdentified, interest == .writing else { continue }
            let mount = try ProcFS.mount(ofDescriptor: "/proc/\(process)/task/\(thread)/fdinfo/\(name)")
            if let mount, try isInsideElsewhere(target, mount, of: thread) { return target }
        }
        return nil
    }

    /// A name means nothing in a table that does not show the file's mount: it is one of another namespace, out of a chroot, or was
    /// taken away from under the file. Who was started with files of the sidecar's own namespace still has those.
    private mutating func isInsideElsewhere(_ target: String, _ mount: Int, of thread: ProcessID) throws(SystemError)
        -> Bool
    {
        for viewer in [thread, getpid()] {
            guard let table = try tables.seen(by: viewer), table.mounts.contains(where: { $0.id == mount }) else {
                continue
            }
            hasLostTrack = hasLostTrack || area == nil
            return isInside(place(of: target, by: table))
        }
        // Of other namespaces it is not known whose files their processes were started with.
        if try tables.isInOwnSpace(thread) { hasLostTrack = true }
        return false
    }

    /// As `opened`, where the list of descriptors is closed to us.
    private mutating func taken(from process: ProcessID, _ thread: ProcessID) throws(SystemError) -> String? {
        var taken: [TakenDescriptor] = []
        let query = self
        try TakenDescriptor.forEach(process, thread) { descriptor in
            guard query.interest != .writing || descriptor.isOpenForWriting, query.counts(descriptor.file),
                query.devices.contains(descriptor.file.identity.device)
            else { return }
            taken.append(descriptor)
        }
        for descriptor in taken {
            guard let path = descriptor.path else { continue }
            if isInside(try place(of: path, in: thread)) { return path }
            if let mount = descriptor.mount, interest == .writing, try isInsideElsewhere(path, mount, of: thread) {
                return path
            }
        }
        return nil
    }

    private func counts(_ file: FileStatus) -> Bool {
        switch interest {
        case .writing: file.isRegular
        case .anything: !file.isDirectory
        case .standing: true
        }
    }

    private mutating func mapped(by thread: ProcessID) throws(SystemError) -> String? {
        var last: Mapping?
        for mapping in try Mapping.list(thread, sharedOnly: interest == .writing) {
            // A library takes several in a row.
            if let last, last.inode == mapping.inode, last.device == mapping.device { continue }
            guard devices.contains(mapping.device) else { continue }
            let link = "/proc/\(thread)/map_files/\(mapping.range)"
            if interest == .writing {
                // mprotect(2) gives back what the file was opened for.
                let isOpenForWriting = (try? identify(link, follow: false))?.isOpenForWriting ?? mapping.isWritable
                guard isOpenForWriting else { continue }
            }
            last = mapping
            if let path = try inside(link, of: thread) { return path }
        }
        return nil
    }

    private mutating func holdsControl(_ process: ProcessID) throws(SystemError) -> Bool {
        guard let control else { return false }
        let folder = "/proc/\(process)/fd"
        for number in try ProcFS.numbers(folder) {
            let link = "\(folder)/\(number)"
            guard let file = try? identify(link), devices.contains(file.identity.device) else { continue }
            guard let target = try ProcFS.existingTarget(link) else { continue }
            if try place(of: target, in: process)?.isBelow(control) == true { return true }
        }
        return false
    }

    /// Where a link of /proc leads, if that is in the area asked for.
    private mutating func inside(_ link: String, of thread: ProcessID) throws(SystemError) -> String? {
        guard let target = try ProcFS.existingTarget(link), isInside(try place(of: target, in: thread)) else {
            return nil
        }
        return target
    }

    private func isInside(_ place: WorkspaceFiles.Place?) -> Bool {
        guard let area, let place else { return false }
        return place.isBelow(area)
    }

    /// Where a path lies that a process sees.
    private mutating func place(of target: String, in thread: ProcessID) throws(SystemError) -> WorkspaceFiles.Place? {
        guard target.hasPrefix("/"), let table = try tables.seen(by: thread) else { return nil }
        return place(of: target, by: table)
    }

    private func place(of target: String, by table: MountTable) -> WorkspaceFiles.Place? {
        let deleted = " (deleted)"
        let path = target.hasSuffix(deleted) ? String(target.dropLast(deleted.count)) : target
        guard let mount = table.mount(of: path), let place = table.place(of: path) else { return nil }
        // By another mount of the same volume it is the same place.
        if let area, let volume, mount.volume == volume {
            return WorkspaceFiles.Place(device: area.device, path: place.path)
        }
        return place
    }

    /// Whether a process that keeps its files to itself has the area mounted. The mount table can be read without any right
    /// over the process; what cannot be told counts as yes.
    private func mayReach(_ process: ProcessID) -> Bool {
        guard let area, let table = try? MountTable(process: String(process)) else { return true }
        return table.mounts.contains { mount in
            mount.device == area.device && (area.path.isBelow(mount.root) || mount.root.isBelow(area.path))
        }
    }
}

extension WorkspaceFiles.Place {
    fileprivate func isBelow(_ other: WorkspaceFiles.Place) -> Bool {
        device == other.device && path.isBelow(other.path)
    }
}
