private import CShims
private import Glibc
import RuntimeCore

/// One thread of a removal: empties directories, and removes each once nothing is left in it.
final class RemovalWorker {
    /// How often a directory is listed again because something has appeared in it meanwhile.
    private static let passLimit = 64

    private let walk: RemovalWalk
    private let handles: DirectoryHandles
    private let crew: WorkCrew<TreeDirectory>
    private let batch = EntryBatch()

    init(walk: RemovalWalk, handles: DirectoryHandles, crew: WorkCrew<TreeDirectory>) {
        self.walk = walk
        self.handles = handles
        self.crew = crew
    }

    func run(_ directory: TreeDirectory) throws {
        directory.passes += 1
        do {
            try handles.with(directory) { pair in
                if try !destroySubvolume(directory, pair.source) { try empty(directory, pair.source) }
            }
        } catch let error as SystemError where Self.opening.contains(error.call) && Self.meansGone(error.errno) {
            // Removed, or replaced by something that is no directory: its name is dealt with below.
        } catch let error as CancellationError {
            throw error
        } catch {
            walk.report(error)
            directory.markStuck()
        }
        try end(directory)
    }

    /// Removes a subvolume at once.
    ///
    /// - Returns: false where the directory is none, or has to be emptied all the same; then it can be.
    private func destroySubvolume(_ directory: TreeDirectory, _ raw: CInt) throws -> Bool {
        guard walk.isOnBtrfs, directory.passes == 1, Subvolume.isRoot(raw) else { return false }
        let code = try handles.withParent(of: directory) { parent in
            Subvolume.destroy(in: parent.source, directory.name)
        }
        if code == 0 {
            walk.progress.add(1)
            return true
        }
        // It holds other subvolumes, or only root may do this; a read-only one can not be emptied.
        try Subvolume.setReadOnly(raw, false, directory.path())
        return false
    }

    private func empty(_ directory: TreeDirectory, _ raw: CInt) throws {
        // Where it was listed before, the descriptor may be the same and stand at the end.
        if directory.passes > 1 { lseek(raw, 0, SEEK_SET) }
        while try batch.fill(from: raw, path: directory.path()) {
            try batch.forEach { name, kind in
                if crew.isStopping { throw CancellationError() }
                try walk.cancellation.check()
                if kind == .directory || (kind == .unknown && isDirectory(raw, name)) {
                    enter(name, in: directory)
                } else {
                    remove(name, in: directory, raw)
                }
            }
        }
    }

    private func enter(_ name: UnsafePointer<CChar>, in directory: TreeDirectory) {
        directory.begin()
        crew.push(TreeDirectory(name, in: directory, handles: handles))
    }

    private func remove(_ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ raw: CInt) {
        switch unlink(name, raw, flags: 0) {
        case 0: walk.progress.add(1)
        case ENOENT: break
        case EISDIR: enter(name, in: directory)
        case let code:
            walk.report(Self.removalError(code, path: directory.path(name)))
            directory.markStuck()
        }
    }

    /// Ends a directory's listing; removes it if nothing of it is left to be done, and then perhaps the one it is in, and so on.
    private func end(_ directory: TreeDirectory) throws {
        var current = directory
        while current.end() {
            if current.isStuck {
                current.parent?.markStuck()
            } else if try removeItself(current) == .listAgain {
                current.begin()
                crew.push(current)
                return
            }
            guard let parent = current.parent else { return }
            current = parent
        }
    }

    private enum Outcome {
        case done, listAgain
    }

    private func removeItself(_ directory: TreeDirectory) throws -> Outcome {
        let code: CInt
        do {
            code = try handles.withParent(of: directory) { pair in
                let code = unlink(directory.name, pair.source, flags: AT_REMOVEDIR)
                return code == ENOTDIR ? unlink(directory.name, pair.source, flags: 0) : code
            }
        } catch let error as SystemError where Self.meansGone(error.errno) {
            return .done
        }
        switch code {
        case 0: walk.progress.add(1)
        case ENOENT: break
        case ENOTEMPTY where directory.passes < Self.passLimit, EEXIST where directory.passes < Self.passLimit,
            EISDIR where directory.passes < Self.passLimit:
            return .listAgain
        default:
            walk.report(Self.removalError(code, path: directory.path()))
            directory.parent?.markStuck()
        }
        return .done
    }

    /// - Returns: 0 or an error number, after having cleared out of the way what can be.
    private func unlink(_ name: UnsafePointer<CChar>, _ raw: CInt, flags: CInt) -> CInt {
        if retrying({ unlinkat(raw, name, flags) }) == 0 { return 0 }
        let code = errno
        let isCleared: Bool =
            switch code {
            case EACCES where raw != walk.base: fchmod(raw, 0o700) == 0
            case EPERM: makeMutable(name, raw)
            default: false
            }
        guard isCleared else { return code }
        return retrying { unlinkat(raw, name, flags) } == 0 ? 0 : errno
    }

    /// Clears the immutable and append-only flags of a directory and of an entry in it.
    ///
    /// - Returns: whether there were any.
    private func makeMutable(_ name: UnsafePointer<CChar>, _ raw: CInt) -> Bool {
        var isCleared = raw != walk.base && wvs_make_mutable(raw) == 1
        var status = stat()
        guard fstatat(raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return isCleared }
        // Only these have flags; opening a device may do things.
        guard status.st_mode & S_IFMT == S_IFREG || status.st_mode & S_IFMT == S_IFDIR else { return isCleared }
        let entry = retrying { wvs_openat2_beneath(raw, name, O_RDONLY | O_NONBLOCK | O_CLOEXEC, 0) }
        guard entry >= 0 else { return isCleared }
        if wvs_make_mutable(entry) == 1 { isCleared = true }
        close(entry)
        return isCleared
    }

    private func isDirectory(_ raw: CInt, _ name: UnsafePointer<CChar>) -> Bool {
        var status = stat()
        return fstatat(raw, name, &status, AT_SYMLINK_NOFOLLOW) == 0 && status.st_mode & S_IFMT == S_IFDIR
    }

    /// The calls that say so; the second of a directory that was removed under another of its names.
    private static let opening: Set<String> = ["openat2", "getdents64"]

    /// What openat2 says where a name leads to no directory any more.
    private static func meansGone(_ code: CInt) -> Bool { code == ENOENT || code == ENOTDIR || code == ELOOP }

    private static func removalError(_ code: CInt, path: String) -> any Error {
        code == EBUSY ? NestedMount(path: path) : SystemError("unlinkat", path, errno: code)
    }
}
