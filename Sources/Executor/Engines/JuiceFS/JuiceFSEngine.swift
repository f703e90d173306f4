private import CShims
private import Glibc
package import RuntimeCore

/// Clones of metadata, made by the file system itself: `juicefs clone -p`.
///
/// The mount's process does the work and knows nothing of what agents have not flushed yet; so it relies on the flush barrier
/// (design 6). The command takes paths: those of the workspace's own folders, which agents can not rename, and it follows no
/// link below them.
package struct JuiceFSEngine: CloneEngine {
    static let engineName = "juicefs"

    /// Finds the mount that holds an open directory.
    typealias Finding = @Sendable (CInt) throws -> JuiceFSMount

    package let name = JuiceFSEngine.engineName
    /// What the command has returned from is in the metadata engine.
    package let promises = ClonePromises(isAtomic: false, isConstantTime: false, isDurable: true)
    private let command: JuiceFSCommand
    private let threads: Int
    private let find: Finding

    /// - Parameter threads: for `--threads` of the command, where it has that, and for walks; 0 leaves it to the command.
    package init(threads: Int = 0) {
        self.init(command: JuiceFSCommand(threads: threads), threads: threads, find: JuiceFSMount.find)
    }

    init(command: JuiceFSCommand, threads: Int = 0, find: @escaping Finding) {
        self.command = command
        self.threads = threads
        self.find = find
    }

    /// Whether the folder lies on a JuiceFS, mounted in a way that allows clones, and the command is there and new enough.
    package func probe(mount: CInt) throws {
        try find(mount).check()
        try command.check()
    }

    package func makeTree(in parent: CInt, _ name: String) throws {
        try TreeRoot.directory.make(in: parent, name)
        let made = try openBeneath(parent, name, flags: O_RDONLY | O_DIRECTORY)
        try TreeRoot.makePlain(made.raw, name)
    }

    /// Counts the source, clones it, and gives its hard links back, which the command does not keep. The clone's owner can
    /// enter it as soon as the command has ended.
    package func clone(
        from: CInt, _ source: String, to: CInt, _ target: String, as purpose: ClonePurpose, onFailure: PartialClone,
        progress: CloneProgress, cancellation: Cancellation
    ) throws -> CloneSummary? {
        try cancellation.check()
        // The command would follow a link.
        let root = try openBeneath(from, source, flags: O_RDONLY | O_DIRECTORY)
        try refuseExisting(in: to, target)
        let names = LinkedNames()
        let summary = try TreeCount.count(
            in: from, source, threads: threads, linkedNames: names, cancellation: cancellation)
        do {
            try command.clone(
                path(of: root.raw), to: path(of: to) + "/" + target, progress: progress, cancellation: cancellation)
            let clone = try openBeneath(to, target, flags: O_RDONLY | O_DIRECTORY)
            try names.relink(in: clone.raw, cancellation: cancellation)
        } catch {
            if onFailure == .remove {
                try remove(in: to, target, progress: CloneProgress(), cancellation: Cancellation())
            }
            throw error
        }
        return summary
    }

    /// Counts the clone: the command may succeed with a part of a tree, where something vanishes while it runs.
    package func complete(
        in parent: CInt, _ target: String, as purpose: ClonePurpose, counted: CloneSummary?, cancellation: Cancellation
    ) throws -> CloneSummary {
        let found = try TreeCount.count(in: parent, target, threads: threads, cancellation: cancellation)
        if let counted, counted != found { throw CloneIncomplete(expected: counted, found: found) }
        return found
    }

    /// What `juicefs rmr` leaves, and what is no directory, is removed entry by entry.
    package func remove(in parent: CInt, _ name: String, progress: CloneProgress, cancellation: Cancellation) throws {
        do {
            let root = try openBeneath(parent, name, flags: O_RDONLY | O_DIRECTORY)
            try command.remove(path(of: root.raw), progress: progress, cancellation: cancellation)
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            // Whatever it was, this says it if it is still in the way.
        }
        try TreeRemoval.remove(in: parent, name, threads: 1, progress: progress, cancellation: cancellation)
    }

    private func refuseExisting(in parent: CInt, _ name: String) throws(SystemError) {
        var status = stat()
        if fstatat(parent, name, &status, AT_SYMLINK_NOFOLLOW) == 0 {
            throw SystemError("juicefs clone", name, errno: EEXIST)
        }
        if errno != ENOENT { throw SystemError("fstatat", name) }
    }

    /// Where an open directory is, as this process sees it. Throws where the path leads elsewhere.
    private func path(of directory: CInt) throws -> String {
        let path = try MountTable.path(of: directory)
        var (held, named) = (stat(), stat())
        try systemCall("fstat", path) { fstat(directory, &held) }
        try systemCall("lstat", path) { lstat(path, &named) }
        guard held.st_dev == named.st_dev, held.st_ino == named.st_ino else { throw TreeChanged(path: path) }
        return path
    }
}

/// A clone is not what its source was, although the command that made it reported success.
package struct CloneIncomplete: Error, Equatable, CustomStringConvertible {
    package let expected: CloneSummary
    package let found: CloneSummary

    package var description: String {
        """
        the clone has \(found.entries) entries of \(found.bytes) bytes, its source has \(expected.entries) \
        of \(expected.bytes): something changed meanwhile
        """
    }
}
