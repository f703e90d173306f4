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
    #if FAILPOINTS
        /// For the test that must fail without: whether a second phase clones again what is doubtful.
        var rechecksDoubtful = true
    #endif

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
        let made = try CloneRoots.open(parent, name)
        try TreeRoot.makePlain(made.raw, name)
    }

    package func clone(
        from: CInt, _ source: String, to: CInt, _ target: String, as purpose: ClonePurpose, onFailure: PartialClone,
        progress: CloneProgress, cancellation: Cancellation
    ) throws -> CloneSummary? {
        try cancellation.check()
        let roots = try CloneRoots(from: from, source, to: to, target, root)
        do {
            try roots.makePlain()
            return try roots.lend { base in
                let walk = try CloneWalk(
                    base: base, content: content, phase: .only, progress: progress, cancellation: cancellation)
                try walk.run(threads: threads)
                return walk.summary
            }
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
        try TreeRemoval.remove(in: parent, name, threads: 1, progress: progress, cancellation: cancellation)
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

extension TreeWalkEngine: TwoPhaseEngine {
    /// statfs(2): ext4, XFS and btrfs. Elsewhere stores through a mapping may move no ctime (tmpfs), or another machine's changes
    /// come late (network file systems).
    private static let fileSystems = [0xEF53, 0x5846_5342, 0x9123_683E]

    package func canCloneInTwoPhases(_ directory: CInt) -> Bool {
        var status = statfs()
        // Nothing can be moved out of a subvolume, as a second phase may have to.
        return root == .directory && fstatfs(directory, &status) == 0 && Self.fileSystems.contains(Int(status.f_type))
    }

    package func beginClone(
        from: CInt, _ source: String, to: CInt, _ target: String, progress: CloneProgress, cancellation: Cancellation
    ) throws -> any TwoPhaseClone {
        try cancellation.check()
        let mounts = try MountEvents()
        let roots = try CloneRoots(from: from, source, to: to, target, root)
        try roots.makePlain()
        let capture = DirectoryCapture()
        let first = try roots.lend { base in
            let reads = if case .copy = content { true } else { false }
            let doubt = DoubtRule(device: UInt64(try fileStatus(of: base.source, source).st_dev), readsBytes: reads)
            let walk = try CloneWalk(
                base: base, content: content, phase: .first(capture, doubt), progress: progress,
                cancellation: cancellation)
            try walk.run(threads: threads)
            return walk
        }
        return TreeWalkClone(first, roots: roots, capture: capture, mounts: mounts, finish: finish)
    }

    private func finish(
        _ second: SecondPhase, _ base: DirectoryPair, _ progress: CloneProgress, _ cancellation: Cancellation
    ) throws -> TwoPhaseSummary {
        #if FAILPOINTS
            var second = second
            second.rechecksDoubtful = rechecksDoubtful
        #endif
        let walk = try CloneWalk(
            base: base, content: content, phase: .second(second), progress: progress, cancellation: cancellation)
        try walk.run(threads: threads)
        return TwoPhaseSummary(clone: walk.summary, renewed: walk.renewed, removed: walk.removed)
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
