private import Glibc
import RuntimeCore

/// Finds processes that hold files of a workspace's live trees, by where a file lies in its file system: whatever the process's
/// container calls it.
package struct WorkspaceHolders {
    package enum Interest: Sendable {
        /// Files open for writing. Mappings are left out: reading every process's list of them takes tens of milliseconds.
        case writing
        /// Files open or mapped in any way, working directories and roots. Open directories do not count: an executor that
        /// is about to clone holds them, and nobody writes through one.
        case anything
    }

    package struct Holder: Sendable, CustomStringConvertible {
        package let process: ProcessID
        /// As the process sees it.
        package let path: String

        package var description: String { "process \(process) holds \(path)" }
    }

    private let devices: Set<UInt64>
    private let live: WorkspaceFiles.Place?

    package init(_ files: WorkspaceFiles) {
        devices = files.devices
        live = files.place.map { WorkspaceFiles.Place(device: $0.device, path: $0.path + "/live") }
    }

    /// The first holder among all processes that this one may look into.
    ///
    /// - Parameters:
    ///   - known: left out without a look.
    ///   - isMember: asked about a holder that was found: true leaves it out too, for those born after `known` was read.
    package func first(
        _ interest: Interest, except known: Set<ProcessID> = [], isMember: (ProcessID) -> Bool = { _ in false }
    ) throws(FreezerError) -> Holder? {
        let processes = try explained(.notFrozen, "the processes cannot be listed") { () throws(SystemError) in
            try ProcessTable.all()
        }
        var tables: [String: MountTable] = [:]
        for process in processes where !known.contains(process) && process != getpid() {
            if let path = held(by: process, interest, &tables), !isMember(process) {
                return Holder(process: process, path: path)
            }
        }
        return nil
    }

    private func held(by process: ProcessID, _ interest: Interest, _ tables: inout [String: MountTable]) -> String? {
        let folder = "/proc/\(process)"
        // Whoever ends meanwhile or may not be looked into is passed over.
        if interest == .anything {
            for link in ["cwd", "root", "exe"] {
                if let found = inside("\(folder)/\(link)", of: process, &tables) { return found }
            }
        }
        if let found = opened(by: process, interest, &tables) { return found }
        return interest == .anything ? mapped(by: process, &tables) : nil
    }

    private func opened(by process: ProcessID, _ interest: Interest, _ tables: inout [String: MountTable]) -> String? {
        let folder = "/proc/\(process)/fd"
        guard let directory = try? ProcFS.open(folder, CInt(O_RDONLY) | CInt(O_DIRECTORY)),
            let numbers = try? ProcFS.numbers(folder)
        else { return nil }
        for number in numbers {
            let name = String(number)
            if interest == .writing {
                guard let link = try? identify(name, in: directory.raw, follow: false), link.isOpenForWriting else {
                    continue
                }
            }
            guard let file = try? identify(name, in: directory.raw), !file.isDirectory,
                devices.contains(file.identity.device)
            else { continue }
            if let found = inside("\(folder)/\(name)", of: process, &tables) { return found }
        }
        return nil
    }

    private func mapped(by process: ProcessID, _ tables: inout [String: MountTable]) -> String? {
        guard let maps = try? ProcFS.read("/proc/\(process)/maps") else { return nil }
        var last: ArraySlice<UInt8> = []
        for line in maps.split(separator: UInt8(ascii: "\n")) {
            guard let mapping = Mapping(line, sharedOnly: false), mapping.inode != 0 else { continue }
            // A library takes several lines in a row.
            if mapping.name == last { continue }
            last = mapping.name
            guard devices.contains(mapping.device) else { continue }
            let link = "/proc/\(process)/map_files/\(mapping.range)"
            if let found = inside(link, of: process, &tables) { return found }
        }
        return nil
    }

    /// Where a link of /proc leads, if that is in a live tree.
    private func inside(_ link: String, of process: ProcessID, _ tables: inout [String: MountTable]) -> String? {
        guard let live, let target = ProcFS.target(link), target.hasPrefix("/") else { return nil }
        let space = ProcFS.target("/proc/\(process)/ns/mnt") ?? ""
        if tables[space] == nil { tables[space] = try? MountTable(process: String(process)) }
        let deleted = " (deleted)"
        let path = target.hasSuffix(deleted) ? String(target.dropLast(deleted.count)) : target
        guard let place = tables[space]?.place(of: path), place.device == live.device, place.path.isBelow(live.path)
        else { return nil }
        return target
    }
}
