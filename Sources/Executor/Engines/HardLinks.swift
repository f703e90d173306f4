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
    }

    enum Claim {
        /// The caller clones the file, then calls `fulfil` or `abandon`.
        case first
        case linked(FirstName)
        /// Whoever was to clone it has failed.
        case abandoned
    }

    private enum State {
        case beingCloned
        case cloned(FirstName)
        case abandoned
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
            case .abandoned: return .abandoned
            }
        }
    }

    func fulfil(_ key: Key, _ name: UnsafePointer<CChar>, in directory: TreeDirectory) {
        let bytes = Array(UnsafeBufferPointer(start: name, count: strlen(name) + 1))
        files.withLock { $0[key] = .cloned(FirstName(directory: directory, name: bytes)) }
        files.wakeAll()
    }

    func abandon(_ key: Key) {
        files.withLock { $0[key] = .abandoned }
        files.wakeAll()
    }
}
