private import Glibc

/// The files of a tree that have several names: the first name to come by is cloned, the others are linked to it.
final class HardLinks: Sendable {
    /// Which file. The device belongs to it: subvolumes of one btrfs number their files independently.
    struct Key: Hashable {
        let device: UInt64
        let inode: UInt64

        init(_ status: FileStatus) {
            device = UInt64(status.st_dev)
            inode = UInt64(status.st_ino)
        }
    }

    /// The clone's first name.
    struct FirstName {
        let directory: TreeDirectory
        let name: [CChar]
        /// What the clone was made from.
        let stamp: EntryStamp?
        /// The clone is that of an earlier phase, to which other names that were good are linked as well.
        let isKept: Bool
    }

    enum Claim {
        /// The caller clones the file, then calls `fulfil` or `abandon`.
        case first
        case linked(FirstName)
    }

    private enum State {
        case beingCloned
        case cloned(FirstName)
    }

    private let files = Monitor<[Key: State]>([:])

    /// Says what to do about one more name of a file; waits while another thread clones it.
    func claim(_ key: Key) -> Claim {
        files.wait { files in
            switch files[key] {
            case nil:
                files[key] = .beingCloned
                return .first
            case .beingCloned: return nil
            case .cloned(let first): return .linked(first)
            }
        }
    }

    func fulfil(
        _ key: Key, _ name: UnsafePointer<CChar>, in directory: TreeDirectory, stamp: EntryStamp?, isKept: Bool
    ) {
        let bytes = Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
        let first = FirstName(directory: directory, name: bytes, stamp: stamp, isKept: isKept)
        files.withLock { $0[key] = .cloned(first) }
        files.wakeAll()
    }

    /// Leaves the file to whoever comes by its next name.
    func abandon(_ key: Key) {
        files.withLock { $0[key] = nil }
        files.wakeAll()
    }
}
