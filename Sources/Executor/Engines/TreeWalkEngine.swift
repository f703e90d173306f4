private import CShims
private import Glibc
package import RuntimeCore

/// Clones entry by entry, several directories at a time: `reflink` and `copy`, which differ in the content of files only.
package struct TreeWalkEngine: CloneEngine {
    package let name: String
    package let promises = ClonePromises(isAtomic: false, isConstantTime: false)
    private let content: FileContent
    private let threads: Int

    /// Shares blocks with FICLONE: XFS, btrfs, bcachefs. `threads` 0 means one for each core.
    package static func reflink(threads: Int = 0) -> TreeWalkEngine {
        TreeWalkEngine(name: "reflink", content: .reflink, threads: threads)
    }

    /// Copies bytes: any file system.
    package static func copy(threads: Int = 0) -> TreeWalkEngine {
        TreeWalkEngine(name: "copy", content: .copy, threads: threads)
    }

    private init(name: String, content: FileContent, threads: Int) {
        self.name = name
        self.content = content
        self.threads = threads
    }

    package func probe(mount: CInt) throws {
        if case .reflink = content { try ReflinkProbe.run(in: mount) }
    }

    package func clone(
        from: CInt, _ source: String, to: CInt, _ target: String, onFailure: PartialClone, progress: CloneProgress,
        cancellation: Cancellation
    ) throws -> CloneSummary {
        try cancellation.check()
        let sourceRoot = try openRoot(from, source)
        try systemCall("mkdirat", target) { mkdirat(to, target, 0o700) }
        do {
            let targetRoot = try openRoot(to, target)
            try makePlain(targetRoot.raw, target)
            let walk = CloneWalk(
                base: DirectoryPair(source: sourceRoot.raw, target: targetRoot.raw), content: content,
                progress: progress, cancellation: cancellation)
            try walk.run(threads: threads)
            return walk.summary
        } catch {
            if onFailure == .remove { try removePartial(in: to, target, cause: error) }
            throw error
        }
    }

    package func remove(in parent: CInt, _ name: String, progress: CloneProgress, cancellation: Cancellation) throws {
        try TreeRemoval.remove(in: parent, name, threads: threads, progress: progress, cancellation: cancellation)
    }

    private func openRoot(_ parent: CInt, _ name: String) throws -> FileDescriptor {
        do {
            return try openBeneath(parent, name, flags: O_RDONLY | O_DIRECTORY)
        } catch {
            throw openingError(error.errno, path: name)
        }
    }

    /// Takes away what the root of the clone has inherited from the directory it was made in (mode bits, group, ACLs), since
    /// it would pass it on to everything below.
    private func makePlain(_ root: CInt, _ name: String) throws {
        try systemCall("fchown", name) { fchown(root, geteuid(), getegid()) }
        for acl in ["system.posix_acl_default", "system.posix_acl_access"] where fremovexattr(root, acl) != 0 {
            if errno != ENODATA, errno != EOPNOTSUPP { throw SystemError("fremovexattr", name) }
        }
        try systemCall("fchmod", name) { fchmod(root, 0o700) }
    }

    /// Not to be cancelled: it is what a cancellation leads to.
    private func removePartial(in parent: CInt, _ name: String, cause: any Error) throws {
        do {
            try TreeRemoval.remove(in: parent, name, threads: threads, cancellation: try Cancellation())
        } catch {
            throw PartialCloneLeft(name: name, cause: cause, removal: error)
        }
    }
}

/// A clone failed, and what there was of it could not be removed.
package struct PartialCloneLeft: Error, CustomStringConvertible {
    package let name: String
    /// Why the clone failed.
    package let cause: any Error
    package let removal: any Error

    package var description: String { "\(cause); the incomplete clone \(name) is left behind: \(removal)" }
}
