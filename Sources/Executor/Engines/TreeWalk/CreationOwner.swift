private import CShims
private import Glibc
import RuntimeCore

/// Who owns a file.
struct FileOwner: Equatable, Sendable {
    let uid: UInt32
    let gid: UInt32

    init(uid: UInt32, gid: UInt32) {
        self.uid = uid
        self.gid = gid
    }

    init(_ status: FileStatus) { self.init(uid: status.st_uid, gid: status.st_gid) }

    /// The executor itself.
    static var own: FileOwner { FileOwner(uid: geteuid(), gid: getegid()) }
}

/// What an entry was created with; nil for what is not known for sure.
struct Birth: Sendable {
    var owner: FileOwner?
    /// With the bits of 0o7777.
    var mode: UInt32?
}

/// Whose the files are that one thread creates. To create a file as its owner saves giving it away, which costs a file system
/// about as much as all the other attributes together.
///
/// The thread keeps its capabilities, so it may do what it could do before; without them, and where a server looks at who asks,
/// everything is created by the executor itself.
final class CreationOwner {
    private let own = FileOwner.own
    private var owner: FileOwner
    private var mayChange: Bool
    /// A mount may have rules of its own (`grpid`): each owner is proved by what is created first.
    private var isProved = true
    /// Read before the first change.
    private static let isDumpable = wvs_is_dumpable() == 1

    /// Of the calling thread, which must not do anything else afterwards.
    init(isLocal: Bool) {
        owner = own
        mayChange = isLocal && own.uid == 0 && wvs_keep_capabilities() == 0
        // A thread begins as the one that has started it was then.
        if mayChange, !change(to: own) { giveUp() }
    }

    /// Whether the executor is root, whoever its files are.
    var isRoot: Bool { own.uid == 0 }

    func become(_ next: FileOwner) {
        if next != owner, mayChange, !change(to: next) { giveUp() }
    }

    /// Who owns what has just been created; nil where that is not known.
    func prove(by name: UnsafePointer<CChar>, in directory: CInt) -> FileOwner? {
        if isProved { return owner }
        var status = stat()
        guard fstatat(directory, name, &status, AT_SYMLINK_NOFOLLOW) == 0 else { return nil }
        let real = FileOwner(status)
        if real == owner { isProved = true } else { giveUp() }
        return real
    }

    /// Creates something; again as the executor itself where the owner's quota forbids it: a clone is charged to him, as a file
    /// is that he is given, but not refused.
    func creating<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as SystemError where error.errno == EDQUOT && owner != own {
            giveUp()
            return try body()
        }
    }

    private func giveUp() {
        mayChange = false
        guard change(to: own) else { preconditionFailure("a thread may always act as its own user") }
    }

    private func change(to next: FileOwner) -> Bool {
        let isDumpable = Self.isDumpable
        // The kernel takes that from the whole process, though its user stays the same.
        defer { if isDumpable { wvs_become_dumpable() } }
        guard wvs_create_as(next.uid, next.gid) == 0 else { return false }
        owner = next
        isProved = next == own
        return true
    }
}
