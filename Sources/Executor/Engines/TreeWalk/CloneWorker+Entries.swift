private import CShims
private import Glibc
import RuntimeCore

/// Making one entry that is not there yet. Each answers what it was made from, where that is to be remembered.
extension CloneWorker {
    func cloneFile(
        _ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ pair: DirectoryPair
    ) throws -> EntryStamp? {
        let start = isFirst ? DoubtRule.now() : 0
        let source = openSource(pair.source, name, flags: O_RDONLY)
        guard source >= 0 else { throw openingError(errno, path: directory.path(name)) }
        defer { close(source) }
        if isFirst { try settle(source, name, in: directory) }
        // What this machine remembers of a file may be a second old where others write too.
        if !walk.isLocal, wvs_refresh_status(source) != 0 { throw SystemError("statx", directory.path(name)) }
        // Of the very file that is cloned, whatever the name has led to before.
        var status = stat()
        guard fstat(source, &status) == 0 else { throw SystemError("fstat", directory.path(name)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw TreeChanged(path: directory.path(name)) }
        return try oncePerFile(status, start: start, name, in: directory, pair) {
            try owner.creating { try makeFile(name, in: directory, pair, source: source, status) }
        }
    }

    private func settle(_ source: CInt, _ name: UnsafePointer<CChar>, in directory: TreeDirectory) throws {
        guard case .copy = walk.content else { return }
        let size = Int64(try fileStatus(of: source, directory.path(name)).st_size)
        if let failure = try walk.content.settle(source, size: size, checkCancellation: checkCancellation) {
            throw SystemError(failure.name, directory.path(name), errno: failure.errno)
        }
    }

    /// - Returns: how the content got into the clone.
    private func makeFile(
        _ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ pair: DirectoryPair, source: CInt,
        _ status: FileStatus
    ) throws -> FileContent.Way {
        // Extended attributes of a file that is read-only to its owner can be set by root alone.
        let isLocked = !owner.isRoot && status.st_mode & 0o200 == 0
        let mode = status.st_mode & 0o777 | (isLocked ? 0o200 : 0)
        owner.become(FileOwner(status))
        let target = retrying {
            wvs_openat(pair.target, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        }
        guard target >= 0 else { throw SystemError("openat", directory.path(name)) }
        defer { close(target) }
        return try removingOnFailure(name, pair) {
            let size = Int64(status.st_size)
            var way = FileContent.Way.shared
            if size > 0 {
                way = try walk.content.clone(
                    from: source, to: target, size: size, isLocal: walk.isLocal, checkCancellation: checkCancellation)
                if case .failed(let call) = way {
                    throw SystemError(call.name, directory.path(name), errno: call.errno)
                }
            }
            let birth = Birth(owner: owner.prove(by: name, in: pair.target), mode: modesAreExact ? mode : nil)
            try attributes.finish(source: source, target: target, status, birth) { directory.path(name) }
            tally.bytes += size
            return way
        }
    }

    /// Symbolic links, FIFOs, sockets and devices.
    func cloneSpecial(
        _ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ pair: DirectoryPair
    ) throws -> EntryStamp? {
        let start = isFirst ? DoubtRule.now() : 0
        let source = retrying {
            wvs_openat2_beneath(pair.source, name, CInt(WVS_O_PATH) | O_NOFOLLOW | O_CLOEXEC, 0)
        }
        guard source >= 0 else { throw openingError(errno, path: directory.path(name)) }
        defer { close(source) }
        var status = stat()
        guard fstat(source, &status) == 0 else { throw SystemError("fstat", directory.path(name)) }
        return try oncePerFile(status, start: start, name, in: directory, pair) {
            try owner.creating { try makeSpecial(name, in: directory, pair, source: source, status) }
            return .shared
        }
    }

    private func makeSpecial(
        _ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ pair: DirectoryPair, source: CInt,
        _ status: FileStatus
    ) throws {
        owner.become(FileOwner(status))
        switch status.st_mode & S_IFMT {
        case S_IFLNK: try makeLink(name, in: directory, pair, source: source)
        case S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK:
            guard retrying({ mknodat(pair.target, name, status.st_mode, status.st_rdev) }) == 0 else {
                throw SystemError("mknodat", directory.path(name))
            }
        default: throw TreeChanged(path: directory.path(name))
        }
        let birth = Birth(
            owner: owner.prove(by: name, in: pair.target), mode: modesAreExact ? status.st_mode & 0o777 : nil)
        try removingOnFailure(name, pair) {
            try attributes.finish(special: name, pair, source: source, status, birth) { directory.path(name) }
        }
    }

    private func makeLink(
        _ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ pair: DirectoryPair, source: CInt
    ) throws {
        // PATH_MAX counts the NUL, so a whole one always leaves room for it.
        try withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(PATH_MAX) + 1) { destination in
            guard let buffer = destination.baseAddress else { return }
            let length = retrying { readlinkat(source, "", buffer, Int(PATH_MAX)) }
            guard length >= 0 else { throw SystemError("readlinkat", directory.path(name)) }
            buffer[length] = 0
            guard retrying({ symlinkat(buffer, pair.target, name) }) == 0 else {
                throw SystemError("symlinkat", directory.path(name))
            }
        }
    }

    /// A first phase may go on after a failure: then nothing must be left that it does not remember.
    private func removingOnFailure<Result>(
        _ name: UnsafePointer<CChar>, _ pair: DirectoryPair, _ body: () throws -> Result
    ) throws -> Result {
        do {
            return try body()
        } catch {
            unlinkat(pair.target, name, 0)
            throw error
        }
    }

    /// Clones a file under the first of its names, and links the others to it.
    ///
    /// - Returns: what the clone was made from; for another name that is what its first name was made from.
    private func oncePerFile(
        _ status: FileStatus, start: Int64, _ name: UnsafePointer<CChar>, in directory: TreeDirectory,
        _ pair: DirectoryPair, _ make: () throws -> FileContent.Way
    ) throws -> EntryStamp? {
        guard status.st_nlink > 1 else { return stamp(status, start, try make()) }
        let key = HardLinks.Key(status)
        switch walk.links.claim(key) {
        case .first:
            do {
                let stamp = stamp(status, start, try make())
                walk.links.fulfil(key, name, in: directory, stamp: stamp, isKept: false)
                return stamp
            } catch {
                walk.links.abandon(key)
                throw error
            }
        case .linked(let first):
            try walk.handles.with(first.directory) { firstPair in
                guard retrying({ linkat(firstPair.target, first.name, pair.target, name, 0) }) == 0 else {
                    throw SystemError("linkat", directory.path(name))
                }
            }
            return first.stamp
        }
    }

    private func stamp(_ status: FileStatus, _ start: Int64, _ way: FileContent.Way) -> EntryStamp? {
        guard let doubt else { return nil }
        var stamp = doubt.stamp(status, start: start)
        // It has not been settled.
        if case .reflink = walk.content, case .copied = way { stamp.isDoubtful = true }
        return stamp
    }
}
