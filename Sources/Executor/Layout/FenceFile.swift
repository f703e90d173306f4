private import Glibc
import RuntimeCore

/// The highest fence that a workspace has seen (design 5).
///
/// It is the name of the one file in the folder `fence`: twenty digits. Raising it is one rename from the value that was read,
/// which fails where that has changed meanwhile: a compare-and-set that needs no lock, so that no stopped executor holds up
/// another; that takes no space, so that a full disk can still be tidied; and after which the value is never lower, on network
/// file systems too, where a list of names is read from the server.
struct FenceFile {
    static let name = "fence"
    /// Each lost race means that somebody else has raised the fence.
    private static let mostRaces = 100
    /// A list of names that is read while the file is renamed may miss it.
    private static let mostLooks = 10

    private let directory: Directory

    init(in directory: Directory) { self.directory = directory }

    /// The stored fence; nil where there is none.
    func read() throws -> UInt64? {
        guard let folder = try openFolder() else { return nil }
        return try Self.fences(in: folder).max()
    }

    /// Stores the first fence of a workspace that is being made. Where others do the same, the highest counts.
    static func create(in directory: Directory, fence: UInt64, owner: Ownership) throws {
        let folder = try directory.openOrMake(name, mode: 0o700, owner: owner)
        guard try fences(in: folder).isEmpty else { return }
        do {
            try folder.createSmallFile(text(fence), [], owner: owner)
        } catch  where error.errno == EEXIST {
            return
        }
    }

    /// Removes it with its folder, where the workspace has another by now.
    static func remove(from directory: Directory) throws(SystemError) {
        guard try directory.exists(name) else { return }
        let folder = try directory.open(name)
        for name in try folder.names() { try folder.unlink(name) }
        try directory.removeEmptyDirectory(name)
    }

    /// Records `fence`; throws `FencedOff` where a higher one is stored. Equal is allowed: a call may be repeated.
    ///
    /// - Parameter durable: whether it must survive a crash of the machine by itself. Else the next sync takes it along.
    func raise(to fence: UInt64, durable: Bool) throws {
        guard let folder = try openFolder() else { throw missing }
        for _ in 0..<Self.mostRaces {
            let stored = try Self.fences(in: folder).max()
            guard let stored else { throw missing }
            if stored > fence { throw FencedOff(stored: stored) }
            if stored == fence {
                try tidy(folder, below: fence)
                if durable { try folder.sync() }
                return
            }
            Failpoint.hit("executor.fence.raising")
            try Self.replace(stored, by: fence, in: folder)
        }
        throw SystemError("rename", directory.subject(Self.name), errno: EBUSY)
    }

    /// Does nothing where the stored fence is another by now.
    private static func replace(_ stored: UInt64, by fence: UInt64, in folder: Directory) throws(SystemError) {
        do {
            try folder.rename(text(stored), to: text(fence))
        } catch  where error.errno == ENOENT {
            return
        }
    }

    /// Two executors that make a workspace at the same time store a fence each.
    private func tidy(_ folder: Directory, below fence: UInt64) throws {
        for lower in try Self.fences(in: folder) where lower < fence { try folder.unlink(Self.text(lower)) }
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
        Failpoint.hit("executor.fence.checked")
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

    /// Nil where there is none.
    private func openFolder() throws -> Directory? {
        do {
            return try directory.open(Self.name)
        } catch  where error.errno == ENOENT {
            return nil
        } catch {
            throw explained(error)
        }
    }

    private func explained(_ error: SystemError) -> any Error {
        guard error.errno == ENOTDIR || error.errno == ELOOP else { return error }
        return ForgedFile(path: directory.subject(Self.name), reason: "is no folder")
    }

    private static func fences(in folder: Directory) throws -> [UInt64] {
        for _ in 0..<mostLooks {
            var fences: [UInt64] = []
            for name in try folder.names() where name.utf8.count == 20 {
                guard let fence = UInt64(name) else {
                    throw ForgedFile(path: folder.subject(name), reason: "is no fence")
                }
                fences.append(fence)
            }
            if !fences.isEmpty { return fences }
        }
        return []
    }

    private static func text(_ fence: UInt64) -> String {
        let digits = String(fence)
        return String(repeating: "0", count: 20 - digits.count) + digits
    }
}

/// Another attempt with a higher fence has taken the workspace over.
struct FencedOff: Error, Equatable {
    /// The highest fence seen.
    let stored: UInt64
}
