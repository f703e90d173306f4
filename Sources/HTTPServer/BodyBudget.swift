import RuntimeCore

/// Bytes that the bodies of all requests under way may use together.
final class BodyBudget: Sendable {
    private let left: Mutex<Int>

    init(_ bytes: Int) { left = Mutex(bytes) }

    /// False where so much is not left.
    func take(_ bytes: Int) -> Bool {
        left.withLock { left in
            guard left >= bytes else { return false }
            left -= bytes
            return true
        }
    }

    func giveBack(_ bytes: Int) {
        if bytes > 0 { left.withLock { $0 += bytes } }
    }
}
