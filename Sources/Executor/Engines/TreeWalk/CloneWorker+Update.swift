private import Glibc
import RuntimeCore

/// What only the second phase does: decide what is still good, and take away what is not.
extension CloneWorker {
    /// Whether the clone of a name is what is to be there. Two names of one file are good only together.
    func isGood(
        _ known: CapturedEntry, _ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ pair: DirectoryPair
    ) throws -> Bool {
        guard known.child == nil, let second else { return false }
        var status = stat()
        guard retrying({ fstatat(pair.source, name, &status, AT_SYMLINK_NOFOLLOW) }) == 0 else {
            throw SystemError("fstatat", directory.path(name))
        }
        guard second.isGood(known.stamp, status) else { return false }
        if status.st_nlink > 1 {
            let key = HardLinks.Key(status)
            switch walk.links.claim(key) {
            case .first: walk.links.fulfil(key, name, in: directory, stamp: nil, isKept: true)
            case .linked(let first): return first.isKept
            }
        }
        if status.st_mode & S_IFMT == S_IFREG { tally.bytes += Int64(status.st_size) }
        return true
    }

    /// Before an entry is made in a directory of an earlier phase.
    func makeRoom(
        for name: UnsafePointer<CChar>, _ known: CapturedEntry?, in directory: CloneDirectory, _ pair: DirectoryPair
    ) throws {
        try openUp(directory, pair)
        if let known { try remove(known, of: directory, pair) }
    }

    /// Takes away what has no counterpart any more.
    func removeUntaken(_ known: DirectoryCapture, of directory: CloneDirectory, _ pair: DirectoryPair) throws {
        defer { report() }
        for entry in known.untaken() {
            try checkCancellation()
            try openUp(directory, pair)
            tally.removed += 1
            try remove(entry, of: directory, pair)
        }
    }

    private func openUp(_ directory: CloneDirectory, _ pair: DirectoryPair) throws {
        try directory.known?.openUp { try TreeRoot.makePlain(pair.target, directory.tree.path()) }
    }

    private func remove(_ known: CapturedEntry, of directory: CloneDirectory, _ pair: DirectoryPair) throws {
        if known.child != nil {
            try second?.aside.take(known.name, of: pair.target) { directory.tree.path(known.name) }
        } else if retrying({ unlinkat(pair.target, known.name, 0) }) != 0 {
            throw SystemError("unlinkat", directory.tree.path(known.name))
        }
    }
}
