private import CShims
private import Glibc
import RuntimeCore

/// The files of a tree that have several names, as found by a walk; and their names made one file again in a clone that took
/// them for files of their own, as `juicefs clone` does (pkg/meta: `doCloneEntry` sets the link count to 1).
final class LinkedNames: Sendable {
    /// Names from below the root down to the file.
    private typealias Path = [[CChar]]

    private let found = Mutex<[HardLinks.Key: [Path]]>([:])

    func add(_ key: HardLinks.Key, _ name: UnsafePointer<CChar>, in directory: TreeDirectory) {
        var path = [copy(name)]
        var current = directory
        // The root's own name is another one in the clone.
        while let parent = current.parent {
            path.append(copy(current.name))
            current = parent
        }
        found.withLock { $0[key, default: []].append(path.reversed()) }
    }

    /// Links all names of a file to the first one. Nothing that is in the clone can lead out of it.
    func relink(in root: CInt, cancellation: Cancellation) throws {
        for paths in found.withLock({ $0.values }) where paths.count > 1 {
            let first = try parent(of: paths[0], in: root)
            for path in paths.dropFirst() {
                try cancellation.check()
                let other = try parent(of: path, in: root)
                try link(path, in: other.raw, to: paths[0], in: first.raw)
            }
        }
    }

    private func link(_ path: Path, in directory: CInt, to first: Path, in firstDirectory: CInt) throws {
        guard let name = path.last, let firstName = first.last else { return }
        var (one, other, times) = (stat(), stat(), stat())
        try systemCall("fstatat", text(first)) { fstatat(firstDirectory, firstName, &one, AT_SYMLINK_NOFOLLOW) }
        try systemCall("fstatat", text(path)) { fstatat(directory, name, &other, AT_SYMLINK_NOFOLLOW) }
        if one.st_ino == other.st_ino { return }
        try systemCall("fstat", text(path)) { fstat(directory, &times) }
        let fresh = ".wvs-link-\(UInt64.random(in: 0...UInt64.max))"
        try systemCall("linkat", text(path)) { linkat(firstDirectory, firstName, directory, fresh, 0) }
        do {
            try systemCall("renameat", text(path)) { renameat(directory, fresh, directory, name) }
        } catch {
            unlinkat(directory, fresh, 0)
            throw error
        }
        let before = [times.st_atim, times.st_mtim]
        try systemCall("futimens", text(path)) { futimens(directory, before) }
    }

    private func parent(of path: Path, in root: CInt) throws -> FileDescriptor {
        var directory = FileDescriptor(
            owning: try systemCall("openat") { wvs_openat(root, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) })
        for name in path.dropLast() {
            let raw = retrying { wvs_openat2_beneath(directory.raw, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
            guard raw >= 0 else { throw openingError(errno, path: text(path)) }
            directory = FileDescriptor(owning: raw)
        }
        return directory
    }

    private func copy(_ name: UnsafePointer<CChar>) -> [CChar] {
        Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
    }

    /// For messages.
    private func text(_ path: Path) -> String {
        path.map { name in String(decoding: name.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self) }
            .joined(separator: "/")
    }
}
