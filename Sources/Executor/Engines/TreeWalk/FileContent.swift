private import CShims
private import Glibc

/// How the content of a regular file gets into its clone, an empty file just created.
enum FileContent: Sendable {
    /// Shares the blocks (ioctl_ficlone(2)).
    case reflink
    /// Copies the bytes; holes stay holes.
    case copy

    /// Bounds what one system call does, so that a cancellation is seen soon.
    private static let reflinkStep: Int64 = 16 << 20
    private static let copyStep: Int64 = 4 << 20

    /// How the content got there.
    enum Way {
        case shared, copied
        /// It did not; with the call and `errno`.
        case failed(FailedCall)
    }

    /// - Parameter isLocal: else no server is asked to copy: what shares blocks there may lose them (JuiceFS 0.14.2 removes those
    ///   that it has compacted in the original).
    /// - Throws: `CancellationError`.
    func clone(
        from source: CInt, to target: CInt, size: Int64, isLocal: Bool, checkCancellation: () throws -> Void
    ) throws -> Way {
        if case .reflink = self {
            guard let failure = try reflink(source, target, size, checkCancellation) else { return .shared }
            // The file system clones, but not this file: its NOCOW attribute differs (btrfs), it is in use for swap, it lies
            // on a realtime device (XFS).
            guard [EINVAL, EOPNOTSUPP, ETXTBSY].contains(failure.errno) else { return .failed(failure) }
        }
        return try copy(source, target, size, isLocal, checkCancellation).map { .failed($0) } ?? .copied
    }

    /// Writes back what is dirty of a file, before its ctime is taken. A store to a page that is dirty already moves no ctime;
    /// after this the next one does. (A reflink does the same by itself.)
    ///
    /// Without the commit and the barrier of an fsync(2): nothing has to be durable yet.
    func settle(_ source: CInt, size: Int64, checkCancellation: () throws -> Void) throws -> FailedCall? {
        guard case .copy = self else { return nil }
        var offset: Int64 = 0
        while offset < size {
            try checkCancellation()
            let isLast = size - offset <= Self.copyStep
            // 0 is up to the end, wherever that is by now.
            guard retrying({ wvs_write_back(source, off_t(offset), isLast ? 0 : off_t(Self.copyStep)) }) == 0 else {
                return FailedCall("sync_file_range")
            }
            offset += Self.copyStep
        }
        return nil
    }

    private func reflink(
        _ source: CInt, _ target: CInt, _ size: Int64, _ checkCancellation: () throws -> Void
    ) throws -> FailedCall? {
        if size <= Self.reflinkStep {
            return retrying { wvs_ficlone(target, source) } == 0 ? nil : FailedCall("ioctl FICLONE")
        }
        var offset: Int64 = 0
        while offset < size {
            try checkCancellation()
            let isLast = size - offset <= Self.reflinkStep
            // 0 is up to the end, which need not be aligned to blocks.
            let length = isLast ? 0 : UInt64(Self.reflinkStep)
            if retrying({ wvs_ficlonerange(target, source, off_t(offset), length) }) != 0 {
                return FailedCall("ioctl FICLONERANGE")
            }
            offset += Self.reflinkStep
        }
        return nil
    }

    private func copy(
        _ source: CInt, _ target: CInt, _ size: Int64, _ isLocal: Bool, _ checkCancellation: () throws -> Void
    ) throws -> FailedCall? {
        var offset = off_t(0)
        while offset < off_t(size) {
            // On ext4 this waits for a write(2) that is under way: its ctime has been moved, its data is not there yet.
            let data = lseek(source, offset, WVS_SEEK_DATA)
            if data < 0 {
                if errno == ENXIO { break }  // Nothing but a hole up to the end.
                return FailedCall("lseek")
            }
            let end = lseek(source, data, WVS_SEEK_HOLE)
            guard end >= 0 else { return FailedCall("lseek") }
            if let failure = try copyRange(source, target, data..<end, isLocal, checkCancellation) { return failure }
            offset = end
        }
        return ftruncate(target, off_t(size)) == 0 ? nil : FailedCall("ftruncate")
    }

    private func copyRange(
        _ source: CInt, _ target: CInt, _ range: Range<off_t>, _ isLocal: Bool, _ checkCancellation: () throws -> Void
    ) throws -> FailedCall? {
        guard lseek(source, range.lowerBound, SEEK_SET) >= 0, lseek(target, range.lowerBound, SEEK_SET) >= 0 else {
            return FailedCall("lseek")
        }
        var left = Int64(range.count)
        if !isLocal { return try copyThroughMemory(source, target, left, checkCancellation) }
        while left > 0 {
            try checkCancellation()
            let count = retrying { wvs_copy_file_range(source, target, Int(min(left, Self.copyStep))) }
            if count < 0 {
                guard [EXDEV, EINVAL, ENOSYS, EOPNOTSUPP].contains(errno) else { return FailedCall("copy_file_range") }
                return try copyThroughMemory(source, target, left, checkCancellation)
            }
            if count == 0 { break }  // The file has become shorter.
            left -= Int64(count)
        }
        return nil
    }

    /// For file systems whose copy_file_range(2) is missing or not to be relied on; from where the descriptors stand.
    private func copyThroughMemory(
        _ source: CInt, _ target: CInt, _ length: Int64, _ checkCancellation: () throws -> Void
    ) throws -> FailedCall? {
        try withUnsafeTemporaryAllocation(byteCount: 1 << 18, alignment: 4096) { buffer -> FailedCall? in
            var left = Int(length)
            while left > 0 {
                try checkCancellation()
                let count = retrying { read(source, buffer.baseAddress, min(left, buffer.count)) }
                if count < 0 { return FailedCall("read") }
                if count == 0 { break }
                var written = 0
                while written < count {
                    let more = retrying { write(target, buffer.baseAddress?.advanced(by: written), count - written) }
                    if more < 0 { return FailedCall("write") }
                    written += more
                }
                left -= count
            }
            return nil
        }
    }
}

/// A system call that failed, before it is known on which path.
struct FailedCall {
    let name: String
    let errno: CInt

    /// Takes the calling thread's `errno`.
    init(_ name: String) {
        self.errno = Glibc.errno
        self.name = name
    }
}
