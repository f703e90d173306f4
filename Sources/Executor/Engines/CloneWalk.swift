private import CShims
private import Glibc
import RuntimeCore
private import Synchronization

/// One clone of a tree: what its threads share.
final class CloneWalk: Sendable {
    /// A directory to list, or part of one that another thread lists.
    enum Item: Sendable {
        case directory(TreeDirectory)
        case batch(TreeDirectory, EntryBatch)
    }

    let content: FileContent
    let progress: CloneProgress
    let cancellation: Cancellation
    let handles: DirectoryHandles
    let links = HardLinks()
    /// Whose everything is that is created, before it is given away.
    let uid: UInt32 = geteuid()
    let gid: UInt32 = getegid()
    private let entries = Atomic<Int>(0)
    private let bytes = Atomic<Int64>(0)

    /// - Parameter base: the root of the source, and that of the target, which is empty; not owned.
    init(base: DirectoryPair, content: FileContent, progress: CloneProgress, cancellation: Cancellation) {
        self.content = content
        self.progress = progress
        self.cancellation = cancellation
        handles = DirectoryHandles(base: base, opening: openPair)
    }

    var summary: CloneSummary {
        CloneSummary(entries: entries.load(ordering: .relaxed), bytes: bytes.load(ordering: .relaxed))
    }

    func count(entries: Int, bytes: Int64) {
        self.entries.add(entries, ordering: .relaxed)
        self.bytes.add(bytes, ordering: .relaxed)
    }

    func run(threads: Int) throws {
        let crew = WorkCrew<Item>(name: "wvs-clone", width: threads) { crew in
            CloneWorker(walk: self, crew: crew).run
        }
        let root = TreeDirectory(".", in: nil, handles: handles)
        try crew.run(.directory(root))
        // Only now may anybody else enter the tree.
        try handles.with(root) { pair in
            try AttributeCopy(uid: uid, gid: gid).finish(directory: pair) { root.path() }
        }
    }
}

/// Opens a directory of the source and its clone.
@Sendable
private func openPair(
    _ parent: DirectoryPair, _ name: UnsafePointer<CChar>, path: () -> String
) throws -> DirectoryPair {
    let source = openSource(parent.source, name, flags: O_RDONLY | O_DIRECTORY)
    guard source >= 0 else { throw openingError(errno, path: path()) }
    let target = retrying { wvs_openat2_beneath(parent.target, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0) }
    guard target >= 0 else {
        let error = openingError(errno, path: path())
        close(source)
        throw error
    }
    return DirectoryPair(source: source, target: target)
}

/// Opens an entry of the source for reading, and leaves its access time alone where that is allowed.
func openSource(_ directory: CInt, _ name: UnsafePointer<CChar>, flags: CInt) -> CInt {
    let flags = flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
    let raw = retrying { wvs_openat2_beneath(directory, name, flags | WVS_O_NOATIME, 0) }
    // Only an owner may ask for O_NOATIME.
    if raw >= 0 || errno != EPERM { return raw }
    return retrying { wvs_openat2_beneath(directory, name, flags, 0) }
}
