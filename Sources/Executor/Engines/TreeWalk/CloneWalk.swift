private import CShims
private import Glibc
import RuntimeCore
private import Synchronization

/// One walk through a tree that clones it, or brings its clone up to date: what its threads share.
final class CloneWalk: Sendable {
    /// A directory to go through, or part of one that another thread goes through.
    enum Item: Sendable {
        case directory(CloneDirectory)
        case batch(CloneDirectory, EntryBatch)
        /// Of a directory that need not be listed.
        case segment(CloneDirectory, CaptureSegment, KeptDescriptor?)
    }

    let content: FileContent
    let phase: ClonePhase
    let progress: CloneProgress
    let cancellation: Cancellation
    let handles: DirectoryHandles
    let links = HardLinks()
    /// Of the source's root: most of what is in a tree has its owner and its mode.
    let rootStatus: FileStatus
    /// Whether nobody but this kernel changes the tree.
    let isLocal: Bool
    private let base: DirectoryPair
    private let entries = Atomic<Int>(0)
    private let bytes = Atomic<Int64>(0)
    private let doubtfulCount = Atomic<Int>(0)
    private let renewedCount = Atomic<Int>(0)
    private let removedCount = Atomic<Int>(0)

    /// - Parameter base: the root of the source, and that of the target; not owned.
    init(
        base: DirectoryPair, content: FileContent, phase: ClonePhase, progress: CloneProgress,
        cancellation: Cancellation
    ) throws(SystemError) {
        self.base = base
        rootStatus = try fileStatus(of: base.source, ".")
        isLocal = LocalFileSystem.holds(base.source)
        self.content = content
        self.phase = phase
        self.progress = progress
        self.cancellation = cancellation
        handles = DirectoryHandles(
            base: base, isMoving: phase.isFirst, opening: openSourceDirectory, target: openTargetDirectory)
    }

    var summary: CloneSummary {
        CloneSummary(entries: entries.load(ordering: .relaxed), bytes: bytes.load(ordering: .relaxed))
    }

    var doubtful: Int { doubtfulCount.load(ordering: .relaxed) }
    var renewed: Int { renewedCount.load(ordering: .relaxed) }
    var removed: Int { removedCount.load(ordering: .relaxed) }

    func count(_ tally: CloneTally) {
        entries.add(tally.entries, ordering: .relaxed)
        bytes.add(tally.bytes, ordering: .relaxed)
        if tally.doubtful > 0 { doubtfulCount.add(tally.doubtful, ordering: .relaxed) }
        if tally.renewed > 0 { renewedCount.add(tally.renewed, ordering: .relaxed) }
        if tally.removed > 0 { removedCount.add(tally.removed, ordering: .relaxed) }
    }

    func run(threads: Int) throws {
        let crew = WorkCrew<Item>(name: "wvs-clone", width: threads) { crew in
            CloneWorker(walk: self, crew: crew).run
        }
        var root = CloneDirectory(
            TreeDirectory(".", in: nil, handles: handles), birth: nil, known: phase.known, capture: phase.capture)
        root.isNamed = true
        try crew.run(.directory(root), meanwhile: progress.tell)
        // Only now may anybody else enter the tree.
        if phase.isLast {
            try AttributeCopy().finish(
                directory: base, fileStatus(of: base.source, "."), Birth(owner: .own), path: { "." })
        }
    }
}

/// A directory of the walk, with what is known of its clone.
struct CloneDirectory: Sendable {
    let tree: TreeDirectory
    /// Of its clone, where that has been made just now; the root waits for the whole tree.
    let birth: Birth?
    /// What its clone has from an earlier phase; nil where that has been made just now, empty and open to us.
    let known: DirectoryCapture?
    /// What is to be remembered of it; nil where nothing is.
    let capture: DirectoryCapture?
    /// Its name leads to where it led when `known` was made.
    var isNamed = false
    /// It is as it was before it was listed for `known`.
    var isUnchanged = false

    init(_ tree: TreeDirectory, birth: Birth?, known: DirectoryCapture?, capture: DirectoryCapture?) {
        self.tree = tree
        self.birth = birth
        self.known = known
        self.capture = capture
    }
}

/// Which phase of a clone a walk is.
enum ClonePhase: Sendable {
    /// The tree stands still: all at once.
    case only
    /// The tree may change meanwhile.
    case first(DirectoryCapture, DoubtRule)
    /// The tree stands still: what the first phase has missed.
    case second(SecondPhase)

    var isFirst: Bool { if case .first = self { true } else { false } }
    /// Whether the clone is complete after it.
    var isLast: Bool { !isFirst }
    var capture: DirectoryCapture? { if case .first(let capture, _) = self { capture } else { nil } }
    var doubt: DoubtRule? { if case .first(_, let rule) = self { rule } else { nil } }
    var second: SecondPhase? { if case .second(let phase) = self { phase } else { nil } }
    var known: DirectoryCapture? { second?.known }
}

/// What the second phase works with.
struct SecondPhase: Sendable {
    /// Of the root.
    let known: DirectoryCapture
    let openFiles: Set<UInt64>
    let aside: TrashFolder
    var rechecksDoubtful = true
    /// Whether a directory that was kept open is what its name leads to, where nothing has changed about that.
    var trustsKept = true

    /// Whether the clone of an entry is good as it is.
    func isGood(_ stamp: EntryStamp, _ status: FileStatus) -> Bool {
        var stamp = stamp
        if !rechecksDoubtful { stamp.isDoubtful = false }
        return stamp.proves(status) && !(rechecksDoubtful && openFiles.contains(stamp.inode))
    }
}

/// What one thread has done since it last said so.
struct CloneTally {
    var entries = 0
    var bytes: Int64 = 0
    var doubtful = 0
    var renewed = 0
    var removed = 0
}

func fileStatus(of descriptor: CInt, _ path: @autoclosure () -> String) throws(SystemError) -> FileStatus {
    var status = stat()
    try systemCall("fstat", path()) { fstat(descriptor, &status) }
    return status
}

@Sendable
private func openSourceDirectory(_ parent: CInt, _ name: UnsafePointer<CChar>, path: () -> String) throws -> CInt {
    let raw = openSource(parent, name, flags: O_RDONLY | O_DIRECTORY)
    guard raw >= 0 else { throw openingError(errno, path: path()) }
    return raw
}

@Sendable
private func openTargetDirectory(_ parent: CInt, _ name: UnsafePointer<CChar>, path: () -> String) throws -> CInt {
    let raw = retrying { wvs_openat2_beneath(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
    guard raw >= 0 else { throw openingError(errno, path: path()) }
    return raw
}

/// Opens an entry of the source for reading, and leaves its access time alone where that is allowed.
func openSource(_ directory: CInt, _ name: UnsafePointer<CChar>, flags: CInt) -> CInt {
    let flags = flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
    let raw = retrying { wvs_openat2_beneath(directory, name, flags | WVS_O_NOATIME, 0) }
    // Only an owner may ask for O_NOATIME.
    if raw >= 0 || errno != EPERM { return raw }
    return retrying { wvs_openat2_beneath(directory, name, flags, 0) }
}
