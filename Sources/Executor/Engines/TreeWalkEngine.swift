private import CShims
private import Glibc
package import RuntimeCore

/// Clones entry by entry, several directories at a time: `reflink` and `copy`, which differ in the content of files only.
package struct TreeWalkEngine: CloneEngine {
    package let name: String
    package let promises = ClonePromises(isAtomic: false, isConstantTime: false)
    private let content: FileContent
    private let threads: Int
    private let root: TreeRoot

    /// Shares blocks with FICLONE: XFS, btrfs, bcachefs. `threads` 0 means one for each core.
    package static func reflink(threads: Int = 0) -> TreeWalkEngine { reflink(threads: threads, root: .directory) }

    /// The same, into trees with such a root.
    static func reflink(threads: Int, root: TreeRoot) -> TreeWalkEngine {
        TreeWalkEngine(name: "reflink", content: .reflink, threads: threads, root: root)
    }

    /// Copies bytes: any file system.
    package static func copy(threads: Int = 0) -> TreeWalkEngine {
        TreeWalkEngine(name: "copy", content: .copy, threads: threads, root: .directory)
    }

    private init(name: String, content: FileContent, threads: Int, root: TreeRoot) {
        self.name = name
        self.content = content
        self.threads = threads
        self.root = root
    }

    package func probe(mount: CInt) throws {
        if case .reflink = content { try ReflinkProbe.run(in: mount) }
    }

    package func makeTree(in parent: CInt, _ name: String) throws {
        try root.make(in: parent, name)
        let made = try openRoot(parent, name)
        try TreeRoot.makePlain(made.raw, name)
    }

    package func clone(
        from: CInt, _ source: String, to: CInt, _ target: String, as purpose: ClonePurpose, onFailure: PartialClone,
        progress: CloneProgress, cancellation: Cancellation
    ) throws -> CloneSummary? {
        try cancellation.check()
        let sourceRoot = try openRoot(from, source)
        try root.make(in: to, target)
        do {
            let targetRoot = try openRoot(to, target)
            try TreeRoot.makePlain(targetRoot.raw, target)
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

    package func complete(
        in parent: CInt, _ target: String, as purpose: ClonePurpose, counted: CloneSummary?, cancellation: Cancellation
    ) throws -> CloneSummary {
        try root.finish(in: parent, target, as: purpose)
        return try counted ?? TreeCount.count(in: parent, target, threads: threads, cancellation: cancellation)
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
