private import Glibc
private import Synchronization

/// A descriptor that stays open only to save time later; the process has no more of them than it can spare.
final class KeptDescriptor: Sendable {
    private static let count = Atomic<Int>(0)
    private static let limit = DescriptorTable.spare

    let raw: CInt

    /// Another one for what `original` stands for; nil where too many are kept.
    init?(of original: CInt, limit: Int = KeptDescriptor.limit) {
        guard Self.count.add(1, ordering: .relaxed).newValue <= limit else {
            Self.count.subtract(1, ordering: .relaxed)
            return nil
        }
        raw = fcntl(original, F_DUPFD_CLOEXEC, 0)
        if raw < 0 {
            Self.count.subtract(1, ordering: .relaxed)
            return nil
        }
    }

    deinit {
        close(raw)
        Self.count.subtract(1, ordering: .relaxed)
    }
}
