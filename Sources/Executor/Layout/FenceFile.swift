private import Glibc
import RuntimeCore

/// The highest fence that a workspace has seen (design 5).
///
/// Twenty digits and a line feed, written in place: a rename would show late on other mounts of a network file system. The
/// lock keeps two executors from overwriting each other; it is a help and not the proof, which is that every publication
/// checks the fence after its source exists, and that take-over removes the sources of lower fences after writing its own.
struct FenceFile {
    static let name = "fence"
    private static let lockTimeout = Duration.seconds(2)

    private let directory: Directory

    init(in directory: Directory) { self.directory = directory }

    /// The stored fence; nil where there is no fence file.
    func read() throws -> UInt64? { try directory.readSmallFile(Self.name).map(parse) }

    /// Makes the file of a workspace that is being made, complete from the start; where another was faster, that one stands.
    static func create(in directory: Directory, fence: UInt64, owner: Ownership) throws(SystemError) {
        let fresh = name + ".new"
        try directory.unlink(fresh)
        try directory.createSmallFile(fresh, text(fence), owner: owner)
        do {
            try directory.renameWithoutReplacing(fresh, to: directory, name)
        } catch  where error.errno == EEXIST {
            try directory.unlink(fresh)
        }
    }

    /// Records `fence`; throws `FencedOff` where a higher one is stored. Equal is allowed: a call may be repeated.
    ///
    /// - Parameter durable: whether it must survive a crash of the machine by itself. Else the next sync takes it along.
    func raise(to fence: UInt64, durable: Bool) throws {
        guard let file = try directory.openSmallFile(Self.name) else { throw missing }
        try lock(file.raw)
        defer { flock(file.raw, LOCK_UN) }
        let stored = try read() ?? 0
        if stored > fence { throw FencedOff(stored: stored) }
        if stored < fence { try directory.write(Self.text(fence), to: file.raw, Self.name) }
        if durable { try systemCall("fdatasync", directory.subject(Self.name)) { fdatasync(file.raw) } }
        try check(fence)
    }

    /// Throws `FencedOff` unless the stored fence is exactly `fence`.
    func check(_ fence: UInt64) throws {
        guard let stored = try read() else { throw missing }
        if stored != fence { throw FencedOff(stored: stored) }
    }

    /// Publishes: checks the fence, then renames what exists by now.
    ///
    /// Whoever takes the workspace over writes a higher fence first and removes the sources of lower ones then. So either
    /// this check sees that fence, or a rename finds its source gone: nothing of a lower fence appears after a take-over.
    func commit(_ fence: UInt64, _ rename: () throws -> Void) throws {
        try check(fence)
        do {
            try rename()
        } catch let error as SystemError where Self.unclear.contains(error.errno) {
            // ENOENT where nobody has taken over: it was moved after all. A network file system repeats a rename whose answer
            // was lost, and then finds nothing to move.
            let stored = try read() ?? 0
            throw stored > fence ? FencedOff(stored: stored) : OutcomeUnknown(cause: error)
        }
    }

    /// Errors of a rename that may have happened all the same.
    private static let unclear: Set<CInt> = [ENOENT, EIO, EINTR, ENOTCONN, ETIMEDOUT, ESTALE, ECONNABORTED, ECONNRESET]

    private var missing: ForgedFile { ForgedFile(path: directory.subject(Self.name), reason: "is missing") }

    private func lock(_ file: CInt) throws {
        let deadline = MonotonicTime.now + Self.lockTimeout
        while flock(file, LOCK_EX | LOCK_NB) != 0 {
            let code = lastErrno
            guard code == EWOULDBLOCK || code == EINTR, deadline.remaining > .zero else {
                throw SystemError("flock", directory.subject(Self.name), errno: code)
            }
            usleep(500)
        }
    }

    private func parse(_ bytes: [UInt8]) throws -> UInt64 {
        guard bytes.count == 21, bytes.last == UInt8(ascii: "\n"),
            let fence = UInt64(String(decoding: bytes.dropLast(), as: UTF8.self))
        else {
            throw ForgedFile(
                path: directory.subject(Self.name), reason: "is damaged: 20 digits and a line feed belong in it")
        }
        return fence
    }

    private static func text(_ fence: UInt64) -> [UInt8] {
        let digits = String(fence)
        return Array((String(repeating: "0", count: 20 - digits.count) + digits + "\n").utf8)
    }
}

/// Another attempt with a higher fence has taken the workspace over.
struct FencedOff: Error, Equatable {
    /// The highest fence seen.
    let stored: UInt64
}
