private import Glibc

/// What fstat(2) said of an entry before it was cloned. While it says the same the clone is good.
struct EntryStamp {
    var inode: UInt64
    /// st_ctime in nanoseconds; no call sets it back.
    var changed: Int64
    /// The entry may have changed after it was cloned without its ctime telling.
    var isDoubtful: Bool

    /// Whether the clone is still what `status` describes.
    func proves(_ status: FileStatus) -> Bool {
        !isDoubtful && inode == UInt64(status.st_ino) && changed == nanoseconds(status.st_ctim)
    }
}

/// Decides which stamps prove nothing.
struct DoubtRule: Sendable {
    /// How long before the clone an entry must have come to rest.
    ///
    /// Covers the clock's ticks (1 to 10 ms, `CLOCK_REALTIME_COARSE`), and calls that move the ctime first and the data a little
    /// later: the store behind a page fault.
    private static let rest: Int64 = 100_000_000
    /// The same for each byte of a file: a direct write keeps nobody else out while it is under way, and it may be as large as
    /// the file. 16 MiB a second.
    private static let restPerByte: Int64 = 60
    /// Times without a fraction come from a file system that keeps none (ext4 with small inodes).
    private static let wholeSecond: Int64 = 1_000_000_000

    /// The file system that the root is on: inode numbers mean nothing beyond it (subvolumes of btrfs).
    let device: UInt64
    /// Bytes are read while writers may be at work; reflinks wait for them.
    let readsBytes: Bool

    /// The clock that file systems take times from, in nanoseconds. To be read before the stamp.
    static func now() -> Int64 {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME_COARSE, &now)
        return nanoseconds(now)
    }

    /// - Parameter start: when the work on the entry began.
    func stamp(_ status: FileStatus, start: Int64) -> EntryStamp {
        let changed = nanoseconds(status.st_ctim)
        var rest = Self.rest
        if changed % Self.wholeSecond == 0 { rest += Self.wholeSecond }
        if readsBytes { rest &+= Int64(status.st_size) &* Self.restPerByte }
        let isYoung = changed >= start &- max(rest, Self.rest)
        return EntryStamp(
            inode: UInt64(status.st_ino), changed: changed,
            isDoubtful: isYoung || UInt64(status.st_dev) != device)
    }
}

private func nanoseconds(_ time: timespec) -> Int64 {
    Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
}
