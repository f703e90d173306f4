private import Glibc
import RuntimeCore

/// A file that the frozen processes may have written to, and not all of it has reached the file system.
struct DirtyFile: Sendable {
    let identity: FileIdentity
    /// As its process sees it; for people.
    let path: String
    /// In the order of finding; more than a few add nothing.
    var sources: [FileSource]
}

/// Finds the regular files of a workspace's file system that processes hold open for writing or map shared and writable.
struct OpenFileScan {
    private var devices: Set<UInt64>
    private let volume: WorkspaceFiles.Volume?
    /// Mount namespaces whose mounts are among `devices`.
    private var spaces: Set<String> = []
    private(set) var files: [FileIdentity: DirtyFile] = [:]
    /// Processes that we may not look into.
    private(set) var closed: [ProcessID] = []
    /// Processes that have given files to an io_uring, which may write to them and which nobody can reach.
    private(set) var hidden: [ProcessID] = []

    init(_ files: WorkspaceFiles) {
        devices = files.devices
        volume = files.volume
    }

    /// Adds what `process` holds. One that has ended holds nothing.
    mutating func visit(_ process: ProcessID) {
        attempt(process) { scan throws(SystemError) in try scan.learnMounts(of: process) }
        attempt(process) { scan throws(SystemError) in
            let tables = try ProcessTable.descriptorTables(of: process, ProcessTable.threads(of: process))
            for thread in tables {
                scan.attempt(process) { scan throws(SystemError) in
                    try scan.visitDescriptors(of: process, thread: thread)
                }
            }
            // All threads of a process share its memory.
            if let thread = tables.first { try scan.visitMappings(of: process, thread: thread) }
        }
    }

    /// A volume that is mounted a second time is another device there, and what is written by that mount is missed as well. By the
    /// file system's kind alone, since a source can be written in more ways than one: a flush too many does no harm.
    private mutating func learnMounts(of process: ProcessID) throws(SystemError) {
        guard let volume, let space = try ProcFS.existingTarget("/proc/\(process)/ns/mnt"),
            !spaces.contains(space), let table = try MountTable.seen(by: process)
        else { return }
        for mount in table.mounts where mount.fileSystem == volume.fileSystem {
            if let device = mount.number { devices.insert(device) }
        }
        spaces.insert(space)
    }

    /// One part that may not be looked into does not hide the others.
    private mutating func attempt(_ process: ProcessID, _ look: (inout Self) throws(SystemError) -> Void) {
        do {
            try look(&self)
        } catch {
            if error.errno == ENOENT || error.errno == ESRCH || closed.contains(process) { return }
            // Of somebody else's process that has ended and waits for its parent nothing may be read.
            if ProcessTable.isLiving(process) { closed.append(process) }
        }
    }

    private mutating func visitDescriptors(of process: ProcessID, thread: ProcessID) throws(SystemError) {
        let folder = "/proc/\(process)/task/\(thread)/fd"
        guard let directory = try ProcFS.openList(folder) else {
            return try takeDescriptors(of: process, thread: thread)
        }
        let descriptors = try ProcFS.entries(in: directory, folder)
        let raw = directory.raw
        for descriptor in descriptors {
            attempt(process) { scan throws(SystemError) in
                try scan.visitDescriptor(descriptor.number, of: process, thread: thread, in: raw)
            }
        }
    }

    private mutating func visitDescriptor(
        _ number: CInt, of process: ProcessID, thread: ProcessID, in directory: CInt
    ) throws(SystemError) {
        let name = String(number)
        // The link's own mode tells how the file was opened and costs no visit to the file's file system.
        guard try identify(name, in: directory, follow: false).isOpenForWriting else { return }
        let file: FileStatus
        do throws(SystemError) {
            file = try identify(name, in: directory)
        } catch {
            // Another user's FUSE keeps its files from us. Where it is none of ours, that is nobody's loss.
            guard let target = try ProcFS.existingTarget(name, in: directory),
                let mount = try MountTable.seen(by: thread)?.mount(of: target), let device = mount.number,
                !devices.contains(device)
            else { throw error }
            return
        }
        if file.isNameless, hidesFiles(process, thread, number, ProcFS.target(name, in: directory)) {
            hidden.append(process)
        }
        guard file.isRegular, devices.contains(file.identity.device) else { return }
        note(file.identity, FileSource.descriptor(process: process, thread: thread, number: number)) {
            ProcFS.target(name, in: directory) ?? "descriptor \(number) of process \(process)"
        }
    }

    private mutating func takeDescriptors(of process: ProcessID, thread: ProcessID) throws(SystemError) {
        var taken: [TakenDescriptor] = []
        try TakenDescriptor.forEach(process, thread) { taken.append($0) }
        for descriptor in taken where descriptor.isOpenForWriting {
            if descriptor.file.isNameless, descriptor.path == "anon_inode:[io_uring]" { hidden.append(process) }
            guard descriptor.file.isRegular, devices.contains(descriptor.file.identity.device) else { continue }
            let source = FileSource.descriptor(process: process, thread: thread, number: descriptor.number)
            note(descriptor.file.identity, source) { descriptor.path ?? "descriptor \(descriptor.number)" }
        }
    }

    /// Whether a descriptor is an io_uring with files of its own, which no table of descriptors shows.
    private func hidesFiles(_ process: ProcessID, _ thread: ProcessID, _ number: CInt, _ target: String?) -> Bool {
        // Unreadable means that nobody knows.
        guard let target else { return true }
        guard target == "anon_inode:[io_uring]" else { return false }
        guard let text = try? ProcFS.read("/proc/\(process)/task/\(thread)/fdinfo/\(number)") else { return true }
        return text.split(separator: UInt8(ascii: "\n")).contains { line in
            line.starts(with: "UserFiles:".utf8) && line.contains { $0 >= UInt8(ascii: "1") && $0 <= UInt8(ascii: "9") }
        }
    }

    private mutating func visitMappings(of process: ProcessID, thread: ProcessID) throws(SystemError) {
        for mapping in try Mapping.list(thread, sharedOnly: true) {
            let link = "/proc/\(thread)/map_files/\(mapping.range)"
            // Its mode is that of the file's opening: a mapping that mprotect(2) made read-only may still be dirty.
            if let status = try? identify(link, follow: false), !status.isOpenForWriting { continue }
            // Following the link asks for a capability; without it the mapping's own numbers must do.
            let followed = try? identify(link)
            if let followed, !followed.isRegular { continue }
            let identity = followed?.identity ?? FileIdentity(device: mapping.device, inode: mapping.inode)
            guard devices.contains(identity.device) else { continue }
            note(identity, .mapping(process: process, thread: thread, range: mapping.range)) {
                ProcFS.target(link) ?? link
            }
        }
    }

    private mutating func note(_ identity: FileIdentity, _ source: FileSource, path: () -> String) {
        if files[identity] == nil {
            files[identity] = DirtyFile(identity: identity, path: path(), sources: [source])
        } else if let count = files[identity]?.sources.count, count < 4 {
            files[identity]?.sources.append(source)
        }
    }
}
