private import CShims
private import Glibc
import RuntimeCore

extension CloneWorker {
    func cloneFile(_ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ pair: DirectoryPair) throws {
        let source = openSource(pair.source, name, flags: O_RDONLY)
        guard source >= 0 else { throw openingError(errno, path: directory.path(name)) }
        defer { close(source) }
        // Of the very file that is cloned, whatever the name has led to before.
        var status = stat()
        guard fstat(source, &status) == 0 else { throw SystemError("fstat", directory.path(name)) }
        guard status.st_mode & S_IFMT == S_IFREG else { throw TreeChanged(path: directory.path(name)) }
        try oncePerFile(status, name, in: directory, pair) {
            try makeFile(name, in: directory, pair, source: source, status)
        }
    }

    private func makeFile(
        _ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ pair: DirectoryPair, source: CInt,
        _ status: FileStatus
    ) throws {
        // Extended attributes of a file that is read-only to its owner can be set by root alone.
        let isLocked = walk.uid != 0 && status.st_mode & 0o200 == 0
        let mode = status.st_mode & 0o777 | (isLocked ? 0o200 : 0)
        let target = retrying {
            wvs_openat(pair.target, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode)
        }
        guard target >= 0 else { throw SystemError("openat", directory.path(name)) }
        defer { close(target) }
        let size = Int64(status.st_size)
        if size > 0 {
            let failure = try walk.content.clone(
                from: source, to: target, size: size, checkCancellation: checkCancellation)
            if let failure { throw SystemError(failure.name, directory.path(name), errno: failure.errno) }
            bytes += size
        }
        try attributes.finish(source: source, target: target, status, modeIsSet: modesAreExact && !isLocked) {
            directory.path(name)
        }
    }

    /// Symbolic links, FIFOs, sockets and devices.
    func cloneSpecial(_ name: UnsafePointer<CChar>, in directory: TreeDirectory, _ pair: DirectoryPair) throws {
        let source = retrying {
            wvs_openat2_beneath(pair.source, name, CInt(WVS_O_PATH) | O_NOFOLLOW | O_CLOEXEC, 0)
        }
        guard source >= 0 else { throw openingError(errno, path: directory.path(name)) }
        defer { close(source) }
        var status = stat()
        guard fstat(source, &status) == 0 else { throw SystemError("fstat", directory.path(name)) }
        try oncePerFile(status, name, in: directory, pair) {
            switch status.st_mode & S_IFMT {
            case S_IFLNK: try makeLink(name, in: directory, pair, source: source)
            case S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK:
                guard retrying({ mknodat(pair.target, name, status.st_mode, status.st_rdev) }) == 0 else {
                    throw SystemError("mknodat", directory.path(name))
                }
            default: throw TreeChanged(path: directory.path(name))
            }
            try attributes.finish(special: name, pair, source: source, status, modeIsSet: modesAreExact) {
                directory.path(name)
            }
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

    /// Clones a file under the first of its names, and links the others to it.
    private func oncePerFile(
        _ status: FileStatus, _ name: UnsafePointer<CChar>, in directory: TreeDirectory,
        _ pair: DirectoryPair,
        _ make: () throws -> Void
    ) throws {
        guard status.st_nlink > 1 else { return try make() }
        let key = HardLinks.Key(status)
        switch walk.links.claim(key) {
        case .first:
            do {
                try make()
                walk.links.fulfil(key, name, in: directory)
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
        case .abandoned: throw CancellationError()
        }
    }
}
