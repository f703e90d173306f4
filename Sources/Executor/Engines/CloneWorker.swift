private import CShims
private import Glibc
import RuntimeCore

/// One thread of a clone. Its umask is its own, and 0, so that files come into being with their mode.
final class CloneWorker {
    let walk: CloneWalk
    let crew: WorkCrew<CloneWalk.Item>
    let attributes: AttributeCopy
    /// False where the thread could not get a umask of its own (a container without CAP_SYS_ADMIN): modes are set afterwards.
    let modesAreExact: Bool
    var bytes: Int64 = 0
    private var spare: EntryBatch?

    init(walk: CloneWalk, crew: WorkCrew<CloneWalk.Item>) {
        self.walk = walk
        self.crew = crew
        attributes = AttributeCopy(uid: walk.uid, gid: walk.gid)
        modesAreExact = wvs_own_umask() == 0
    }

    func run(_ item: CloneWalk.Item) throws {
        switch item {
        case .directory(let directory):
            try walk.handles.with(directory) { pair in
                try list(directory, pair)
                try end(directory, pair)
            }
        case .batch(let directory, let batch):
            try walk.handles.with(directory) { pair in
                try clone(batch, of: directory, pair)
                try end(directory, pair)
            }
            spare = batch
        }
    }

    func checkCancellation() throws {
        if crew.isStopping { throw CancellationError() }
        try walk.cancellation.check()
    }

    private func list(_ directory: TreeDirectory, _ pair: DirectoryPair) throws {
        var batch = takeBatch()
        while try batch.fill(from: pair.source, path: directory.path()) {
            if batch.isWorthSharing, crew.isHungry {
                directory.begin()
                crew.push(.batch(directory, batch))
                batch = takeBatch()
            } else {
                try clone(batch, of: directory, pair)
            }
        }
        spare = batch
    }

    private func takeBatch() -> EntryBatch {
        defer { spare = nil }
        return spare ?? EntryBatch()
    }

    /// Whoever ends the last piece of a directory gives it its attributes. The root waits for the whole tree.
    private func end(_ directory: TreeDirectory, _ pair: DirectoryPair) throws {
        if directory.end(), directory.parent != nil {
            try attributes.finish(directory: pair) { directory.path() }
        }
    }

    private func clone(_ batch: EntryBatch, of directory: TreeDirectory, _ pair: DirectoryPair) throws {
        var entries = 0
        defer {
            walk.count(entries: entries, bytes: bytes)
            bytes = 0
        }
        try batch.forEach { name, kind in
            try checkCancellation()
            switch kind == .unknown ? try self.kind(of: name, in: directory, pair) : kind {
            case .directory: try makeDirectory(name, in: directory, pair)
            case .file: try cloneFile(name, in: directory, pair)
            case .other, .unknown: try cloneSpecial(name, in: directory, pair)
            }
            entries += 1
            walk.progress.add(1)
            Failpoint.hit("executor.clone.entry")
        }
    }

    private func makeDirectory(_ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ pair: DirectoryPair) throws
    {
        guard retrying({ mkdirat(pair.target, name, 0o700) }) == 0 else {
            throw SystemError("mkdirat", directory.path(name))
        }
        crew.push(.directory(TreeDirectory(name, in: directory, handles: walk.handles)))
    }

    private func kind(
        of name: UnsafePointer<CChar>, in directory: TreeDirectory, _ pair: DirectoryPair
    ) throws(SystemError) -> EntryBatch.Kind {
        var status = stat()
        try systemCall("fstatat", directory.path(name)) { fstatat(pair.source, name, &status, AT_SYMLINK_NOFOLLOW) }
        return EntryBatch.Kind(mode: status.st_mode)
    }
}
