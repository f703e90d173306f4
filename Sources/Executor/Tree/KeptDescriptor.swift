private import Glibc
private import Synchronization

/// A descriptor that stays open only to save time later. All of the process together are half of what it may open at most, so
/// that there are always some for what can not do without.
final class KeptDescriptor: Sendable {
    private static let count = Atomic<Int>(0)
    private static let limit: Int = {
        var allowed = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &allowed)
        return Int(clamping: allowed.rlim_cur / 2)
    }()

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
