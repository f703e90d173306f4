private import CShims
private import Glibc
package import RuntimeCore

/// Removes directory trees, whoever else works in them meanwhile.
package enum TreeRemoval {
    /// Removes `name` of an open directory: a tree, or any other entry. Nothing of that name is no error.
    ///
    /// One entry that can not be removed does not keep the others; it is reported when all else is gone. Write permission of
    /// directories and immutable flags are changed where they are in the way and may be.
    ///
    /// - Parameter threads: 0 means one for each core.
    /// - Throws: `CancellationError`, `NestedMount`, or the `SystemError` of the first entry that stays.
    package static func remove(
        in parent: CInt, _ name: String, threads: Int = 0, progress: CloneProgress = CloneProgress(),
        cancellation: Cancellation
    ) throws {
        let walk = RemovalWalk(base: parent, progress: progress, cancellation: cancellation)
        let handles = DirectoryHandles(base: DirectoryPair(source: parent), opening: walk.open)
        let crew = WorkCrew<TreeDirectory>(name: "wvs-remove", width: threads) { crew in
            RemovalWorker(walk: walk, handles: handles, crew: crew).run
        }
        try crew.run(TreeDirectory(name, in: nil, handles: handles), meanwhile: progress.tell)
        if let failure = walk.failure { throw failure }
    }
}

/// What the threads of a removal share.
final class RemovalWalk: Sendable {
    /// The directory that the tree is in: nothing about it may be changed.
    let base: CInt
    /// Whether there may be subvolumes.
    let isOnBtrfs: Bool
    let progress: CloneProgress
    let cancellation: Cancellation
    private let firstFailure = Mutex<(any Error)?>(nil)

    init(base: CInt, progress: CloneProgress, cancellation: Cancellation) {
        self.base = base
        isOnBtrfs = Subvolume.isBtrfs(base)
        self.progress = progress
        self.cancellation = cancellation
    }

    var failure: (any Error)? { firstFailure.withLock { $0 } }

    /// Remembers that something stays, and goes on.
    func report(_ error: any Error) { firstFailure.withLock { first in if first == nil { first = error } } }

    /// Opens a directory to empty it; gives its owner back the permission to do so.
    @Sendable
    func open(_ parent: CInt, _ name: UnsafePointer<CChar>, path: () -> String) throws -> CInt {
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC
        var raw = retrying { wvs_openat2_beneath(parent, name, flags, 0) }
        if raw < 0, errno == EACCES {
            if parent != base { fchmod(parent, 0o700) }
            makeAccessible(parent, name)
            raw = retrying { wvs_openat2_beneath(parent, name, flags, 0) }
        }
        guard raw >= 0 else { throw openingError(errno, path: path()) }
        return raw
    }
}

/// Gives a directory mode 0700, never through a link. Where that may not be, opening it says so.
private func makeAccessible(_ parent: CInt, _ name: UnsafePointer<CChar>) {
    let raw = retrying { wvs_openat2_beneath(parent, name, CInt(WVS_O_PATH) | O_DIRECTORY | O_CLOEXEC, 0) }
    guard raw >= 0 else { return }
    defer { close(raw) }
    // fchmod(2) refuses O_PATH descriptors; the link in /proc leads to the very same directory.
    chmod("/proc/self/fd/\(raw)", 0o700)
}
