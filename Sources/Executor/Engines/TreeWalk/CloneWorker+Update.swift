private import Glibc
import RuntimeCore

/// What only the second phase does: decide what is still good, and take away what is not.
extension CloneWorker {
    /// Goes through a directory whose names all lead to where they led, without listing it.
    ///
    /// - Returns: whether it is such a one.
    func check(_ directory: CloneDirectory) throws -> Bool {
        guard let second, let proof = directory.known?.proof else { return false }
        var directory = directory
        // What its name leads to now may be another one.
        let kept = directory.isNamed && second.trustsKept ? proof.kept : nil
        return try with(directory, kept) { pair in
            guard second.isGood(proof.stamp, try fileStatus(of: pair.source, directory.tree.path())) else {
                return false
            }
            directory.isUnchanged = true
            for case let segment? in proof.segments {
                if segment.isWorthSharing, crew.isHungry {
                    directory.tree.begin()
                    crew.push(.segment(directory, segment, kept))
                } else {
                    try check(segment, of: directory, pair)
                }
            }
            try end(directory, pair)
            return true
        }
    }

    func check(_ segment: CaptureSegment, of directory: CloneDirectory, _ pair: DirectoryPair) throws {
        var shown = tally.entries
        defer {
            walk.progress.add(tally.entries - shown)
            report()
        }
        try segment.forEach { entry in
            try checkCancellation()
            count(isMade: try !check(entry, of: directory, pair), &shown)
            Failpoint.hit("executor.clone.entry")
        }
    }

    /// - Returns: whether the entry was good as it is.
    private func check(_ entry: CapturedEntry, of directory: CloneDirectory, _ pair: DirectoryPair) throws -> Bool {
        if let child = entry.child {
            enter(entry.name, in: directory, birth: nil, known: child)
            return true
        }
        let status = try status(of: entry.name, in: directory, pair)
        if try isGood(entry, status, in: directory) { return true }
        try make(entry.name, EntryBatch.Kind(mode: status.st_mode), insteadOf: entry, in: directory, pair)
        return false
    }

    /// Whether the clone of a name, which is no directory, is what is to be there. Two names of one file are good only together.
    func isGood(_ known: CapturedEntry, _ status: FileStatus, in directory: CloneDirectory) throws -> Bool {
        guard let second, second.isGood(known.stamp, status) else { return false }
        if status.st_nlink > 1 {
            let key = HardLinks.Key(status)
            switch walk.links.claim(key) {
            case .first: walk.links.fulfil(key, known.name, in: directory.tree, stamp: nil, isKept: true)
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
            try withTarget(of: directory, pair) { pair in
                try openUp(directory, pair)
                tally.removed += 1
                try remove(entry, of: directory, pair)
            }
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
