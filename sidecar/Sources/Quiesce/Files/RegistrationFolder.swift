private import Glibc
import RuntimeCore

/// `.wvs/sidecars`: who is attached. A file whose lock is free belongs to a sidecar that is dead.
struct RegistrationFolder {
    static let name = "sidecars"
    /// Who last attached; tells "never attached" from "not attached now".
    static let lastAttachedName = "sidecar.json"
    private static let maximumNames = 1000

    struct Entry: Equatable, Sendable {
        let id: String
        /// Also where the lock can not be asked for: whoever may live is waited for.
        let isLiving: Bool
        /// Nil where the text is not understood; the sidecar counts all the same.
        let registration: Registration?

        /// Serves only workspaces that nobody else serves.
        var isNode: Bool { registration?.mode == .node }
    }

    let control: ControlDirectory

    /// Every registration, of the living and the dead; by id.
    func entries() throws(SystemError) -> [Entry] {
        guard let folder = try openFolder() else { return [] }
        let directory = ControlDirectory(descriptor: folder.raw)
        var entries: [Entry] = []
        for name in try Self.names(in: folder.raw) where name.hasSuffix(".json") {
            let id = String(name.dropLast(5))
            guard Registration.isValid(id: id) else { continue }
            if let entry = Self.entry(id, name, in: directory) { entries.append(entry) }
        }
        return entries.sorted { $0.id < $1.id }
    }

    /// Whether any sidecar was ever seen here.
    var everAttached: Bool { control.read(Self.lastAttachedName) != .absent }

    /// Writes the registration and takes its lock, which lasts as long as the descriptor. Then removes those of the dead: not
    /// before, so that no look at the folder finds neither, and takes what their agents may still write for nobody's.
    func register(_ registration: Registration) throws(SystemError) -> FileDescriptor {
        try control.makeFolder(Self.name)
        let file = try enter(registration)
        removeDead(besides: registration.id)
        return file
    }

    /// As `register`, and leaves the others alone: who takes whom for dead where locks do not reach would never end.
    func enter(_ registration: Registration) throws(SystemError) -> FileDescriptor {
        guard let folder = try openFolder() else { throw SystemError("openat2", Self.name, errno: ENOENT) }
        let directory = ControlDirectory(descriptor: folder.raw)
        let fresh = ".new-\(registration.id)"
        // A newcomer that looks between the creation and the lock takes the file for a dead sidecar's and removes it.
        for _ in 0..<50 {
            do throws(SystemError) {
                let file = try directory.openRegular(fresh, O_RDWR | O_CREAT | O_EXCL, mode: 0o600)
                try lock(file.raw, fresh)
                control.giveToOwner(file)
                // Into the locked file itself: by its name it might be another by now.
                let text = Array(registration.text.utf8)
                let written = try systemCall("pwrite", fresh) { pwrite(file.raw, text, text.count, 0) }
                guard written == text.count else { throw SystemError("pwrite", fresh, errno: ENOSPC) }
                try systemCall("renameat", fresh) {
                    renameat(folder.raw, fresh, folder.raw, "\(registration.id).json")
                }
                try control.write(Self.lastAttachedName, text)
                return file
            } catch  where error.errno == ENOENT || error.errno == EEXIST {
                usleep(1000)
            }
        }
        throw SystemError("register", registration.id, errno: EBUSY)
    }

    private func lock(_ file: CInt, _ name: String) throws(SystemError) {
        if flock(file, LOCK_EX | LOCK_NB) == 0 { return }
        switch lastErrno {
        case EWOULDBLOCK:
            // A newcomer has it and is about to remove it: without the lock it would count as dead.
            throw SystemError("flock", name, errno: EEXIST)
        case ENOSYS, EOPNOTSUPP, ENOLCK:
            return  // There are no locks here: then it counts as living until it is removed.
        default:
            // Refused this once: whoever asks next may get the lock, and take this sidecar for dead.
            throw SystemError("flock", name)
        }
    }

    /// Whether the registration of this id is still the file that is open: a newcomer that does not see its lock may have removed it.
    func holds(_ id: String, _ file: borrowing FileDescriptor) throws(SystemError) -> Bool {
        guard let folder = try openFolder() else { return false }
        do {
            let present = try ControlDirectory(descriptor: folder.raw).openRegular("\(id).json", O_RDONLY)
            let identity = try ControlDirectory.status(of: present, id).identity
            return identity == (try ControlDirectory.status(of: file, id).identity)
        } catch  where error.errno == ENOENT {
            return false
        }
    }

    func remove(_ id: String) throws(SystemError) {
        guard let folder = try openFolder() else { return }
        try ControlDirectory(descriptor: folder.raw).remove("\(id).json")
    }

    private func openFolder() throws(SystemError) -> FileDescriptor? {
        do {
            return try control.open(Self.name, O_RDONLY | O_DIRECTORY)
        } catch  where error.errno == ENOENT {
            return nil
        }
    }

    /// Takes away what the dead have left. Whatever can not be locked may be somebody's, and stays.
    private func removeDead(besides id: String) {
        guard let folder = try? openFolder(), let names = try? Self.names(in: folder.raw) else { return }
        let directory = ControlDirectory(descriptor: folder.raw)
        for name in names where name != "\(id).json" && (name.hasSuffix(".json") || name.hasPrefix(".new-")) {
            guard let file = try? directory.openRegular(name, O_RDWR), flock(file.raw, LOCK_EX | LOCK_NB) == 0 else {
                continue
            }
            _ = unlinkat(directory.descriptor, name, 0)
        }
    }

    /// Nil where the file has gone.
    private static func entry(_ id: String, _ name: String, in directory: ControlDirectory) -> Entry? {
        do {
            let file = try directory.openRegular(name, O_RDONLY)
            // A shared lock, for a moment, so that two executors that look at once do not take each other for the owner.
            let isLiving = flock(file.raw, LOCK_SH | LOCK_NB) != 0
            if !isLiving { flock(file.raw, LOCK_UN) }
            let text = try? ControlDirectory.read(file, name, limit: 4096)
            return Entry(id: id, isLiving: isLiving, registration: text.flatMap { try? Registration(parsing: $0) })
        } catch {
            return error.errno == ENOENT ? nil : Entry(id: id, isLiving: true, registration: nil)
        }
    }

    private static func names(in folder: CInt) throws(SystemError) -> [String] {
        // So many files are nobody's registrations; but one of those that were not looked at may be somebody's.
        try FolderNames.read(folder, name, atMost: maximumNames)
    }
}
