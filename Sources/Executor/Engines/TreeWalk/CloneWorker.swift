private import CShims
private import Glibc
import RuntimeCore

/// One thread of a clone. Its umask is its own, and 0, so that files come into being with their mode.
final class CloneWorker {
    let walk: CloneWalk
    let crew: WorkCrew<CloneWalk.Item>
    let attributes = AttributeCopy()
    let owner: CreationOwner
    /// False where the thread could not get a umask of its own (a container without CAP_SYS_ADMIN): modes are set afterwards.
    let modesAreExact: Bool
    let isFirst: Bool
    let doubt: DoubtRule?
    let second: SecondPhase?
    var tally = CloneTally()
    /// What directories are made with: that of the last one that was finished.
    private var directoryMode: UInt32
    private var recorder = CaptureRecorder()
    private var spare: EntryBatch?

    init(walk: CloneWalk, crew: WorkCrew<CloneWalk.Item>) {
        self.walk = walk
        self.crew = crew
        owner = CreationOwner(isLocal: walk.isLocal)
        owner.become(FileOwner(walk.rootStatus))
        directoryMode = Self.modeAtWork(walk.rootStatus)
        modesAreExact = wvs_own_umask() == 0
        isFirst = walk.phase.isFirst
        doubt = walk.phase.doubt
        second = walk.phase.second
    }

    func run(_ item: CloneWalk.Item) throws {
        do {
            switch item {
            case .directory(let directory):
                if try check(directory) { return }
                try with(directory) { pair in
                    try list(directory, pair)
                    try end(directory, pair)
                }
            case .batch(let directory, let batch):
                try with(directory) { pair in
                    try clone(batch, of: directory, pair)
                    try end(directory, pair)
                }
                spare = batch
            case .segment(let directory, let segment, let kept):
                try with(directory, kept) { pair in
                    try check(segment, of: directory, pair)
                    try end(directory, pair)
                }
            }
        } catch  where isFirst && meansChanged(error) {
            // What is missing now is cloned in the second phase.
        }
    }

    func checkCancellation() throws {
        if crew.isStopping { throw CancellationError() }
        try walk.cancellation.check()
    }

    /// Lends the descriptors of a directory; that of a clone that was there before only where it is needed.
    ///
    /// - Parameter kept: where it is known to be open already.
    func with<Result>(
        _ directory: CloneDirectory, _ kept: KeptDescriptor? = nil, _ body: (DirectoryPair) throws -> Result
    ) throws -> Result {
        guard let kept else { return try walk.handles.with(directory.tree, whole: directory.known == nil, body) }
        return try withExtendedLifetime(kept) { try body(DirectoryPair(source: kept.raw)) }
    }

    /// Lends them both.
    func withTarget<Result>(
        of directory: CloneDirectory, _ pair: DirectoryPair, _ body: (DirectoryPair) throws -> Result
    ) throws -> Result {
        pair.target >= 0 ? try body(pair) : try walk.handles.with(directory.tree, body)
    }

    private func list(_ directory: CloneDirectory, _ pair: DirectoryPair) throws {
        if let capture = directory.capture, let doubt {
            let start = DoubtRule.now()
            capture.begin(doubt.stamp(try fileStatus(of: pair.source, directory.tree.path()), start: start))
        }
        var batch = takeBatch()
        var ordinal = 0
        while try batch.fill(from: pair.source, path: directory.tree.path()) {
            batch.ordinal = ordinal
            ordinal += 1
            if batch.isWorthSharing, crew.isHungry {
                directory.tree.begin()
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

    private func clone(_ batch: EntryBatch, of directory: CloneDirectory, _ pair: DirectoryPair) throws {
        var shown = tally.entries
        defer {
            walk.progress.add(tally.entries - shown)
            report()
        }
        var cursor = directory.known.map { CaptureCursor($0, at: batch.ordinal) }
        try batch.forEach { name, kind in
            try checkCancellation()
            let known = cursor?.take(name)
            do {
                let isMade = try clone(name, kind, known, in: directory, pair)
                count(isMade: isMade, &shown)
            } catch  where isFirst && meansChanged(error) {
                // It is left to the second phase, and so is what came of its name.
                directory.capture?.leaveOut()
            }
            Failpoint.hit("executor.clone.entry")
        }
        if let capture = directory.capture {
            tally.doubtful += recorder.doubtful
            capture.place(recorder.segment(), at: batch.ordinal)
        }
    }

    /// One more entry is done.
    @inline(__always)
    func count(isMade: Bool, _ shown: inout Int) {
        tally.entries += 1
        // A look at an entry takes no longer than to say so.
        if isMade || tally.entries - shown == 32 {
            walk.progress.add(tally.entries - shown)
            shown = tally.entries
        }
    }

    /// - Returns: false where the entry was good as it is.
    private func clone(
        _ name: UnsafePointer<CChar>, _ listed: EntryBatch.Kind, _ known: CapturedEntry?, in directory: CloneDirectory,
        _ pair: DirectoryPair
    ) throws -> Bool {
        let kind =
            try listed == .unknown ? EntryBatch.Kind(mode: status(of: name, in: directory, pair).st_mode) : listed
        if kind == .directory { return try enter(name, known, in: directory, pair) }
        if let known, known.child == nil, try isGood(known, status(of: name, in: directory, pair), in: directory) {
            return false
        }
        try make(name, kind, insteadOf: known, in: directory, pair)
        return true
    }

    /// Makes what is no directory.
    func make(
        _ name: UnsafePointer<CChar>, _ kind: EntryBatch.Kind, insteadOf known: CapturedEntry?,
        in directory: CloneDirectory, _ pair: DirectoryPair
    ) throws {
        try withTarget(of: directory, pair) { pair in
            if second != nil { tally.renewed += 1 }
            if directory.known != nil { try makeRoom(for: name, known, in: directory, pair) }
            let stamp =
                try kind == .file
                ? cloneFile(name, in: directory.tree, pair) : cloneSpecial(name, in: directory.tree, pair)
            if let stamp { recorder.add(name, stamp) }
        }
    }

    private func enter(
        _ name: UnsafePointer<CChar>, _ known: CapturedEntry?, in directory: CloneDirectory, _ pair: DirectoryPair
    ) throws -> Bool {
        if let child = known?.child {
            enter(name, in: directory, birth: nil, known: child)
            return false
        }
        try withTarget(of: directory, pair) { pair in
            if second != nil { tally.renewed += 1 }
            if directory.known != nil { try makeRoom(for: name, known, in: directory, pair) }
            let birth = try owner.creating {
                guard retrying({ mkdirat(pair.target, name, directoryMode) }) == 0 else {
                    throw SystemError("mkdirat", directory.tree.path(name))
                }
                return Birth(
                    owner: owner.prove(by: name, in: pair.target), mode: modesAreExact ? directoryMode : nil)
            }
            enter(name, in: directory, birth: birth, known: nil)
        }
        return true
    }

    /// Leaves a directory, whose clone is there, to whoever has time.
    func enter(
        _ name: UnsafePointer<CChar>, in directory: CloneDirectory, birth: Birth?, known: DirectoryCapture?
    ) {
        let capture = directory.capture == nil ? nil : DirectoryCapture()
        if let capture { recorder.add(name, directory: capture) }
        let tree = TreeDirectory(name, in: directory.tree, handles: walk.handles)
        var entered = CloneDirectory(tree, birth: birth, known: known, capture: capture)
        entered.isNamed = directory.isUnchanged
        crew.push(.directory(entered))
    }

    /// Whoever ends the last piece of a directory gives it its attributes. The root waits for the whole tree.
    func end(_ directory: CloneDirectory, _ pair: DirectoryPair) throws {
        guard directory.tree.end() else { return }
        if let known = directory.known {
            if !directory.isUnchanged { try removeUntaken(known, of: directory, pair) }
            if directory.isUnchanged, !known.isOpenedUp { return }
        }
        if directory.tree.parent != nil {
            try withTarget(of: directory, pair) { pair in
                let status = try fileStatus(of: pair.source, directory.tree.path())
                try attributes.finish(directory: pair, status, directory.birth) { directory.tree.path() }
                directoryMode = Self.modeAtWork(status)
            }
        }
        directory.capture?.seal(pair.source)
    }

    /// The executor needs all of it until the directory is finished; nobody else gets beyond the root until then.
    private static func modeAtWork(_ status: FileStatus) -> UInt32 { status.st_mode & 0o777 | 0o700 }

    func report() {
        walk.count(tally)
        tally = CloneTally()
    }

    func status(
        of name: UnsafePointer<CChar>, in directory: CloneDirectory, _ pair: DirectoryPair
    ) throws(SystemError) -> FileStatus {
        var status = stat()
        guard retrying({ fstatat(pair.source, name, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else {
            throw SystemError("fstatat", directory.tree.path(name))
        }
        return status
    }
}

/// Whether an error says no more than that somebody works in the tree. What is meant seriously (no permission, a loop of
/// links) the second phase meets again.
private func meansChanged(_ error: any Error) -> Bool {
    switch error {
    case is TreeChanged: true
    case let error as SystemError:
        [ENOENT, ESTALE, ENOTDIR, ELOOP, EISDIR, EEXIST, EACCES, EAGAIN, ENXIO, ETXTBSY].contains(error.errno)
    default: false
    }
}
