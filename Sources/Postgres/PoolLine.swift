import RuntimeCore

/// The callers of one kind who wait for a connection, in the order in which they came.
struct PoolLine {
    enum Kind: Int, CaseIterable {
        case alone, read, write
    }

    /// How many share a round trip at most: their answers wait for each other.
    private static let mostSharers = 32
    /// After how long a round trip no longer holds back those that came meanwhile: something holds it up.
    private static let patience = Duration.milliseconds(100)

    let kind: Kind
    var waiters: [PoolWaiter] = []
    /// Connections that are lent to callers of this kind, and since when the last of them is.
    private var loans = (count: 0, since: MonotonicTime.now)

    init(_ kind: Kind) { self.kind = kind }

    /// How many connections the line could do with now.
    ///
    /// A statement that waits for a round trip to end goes out with all that came meanwhile; sent at once, on a connection of its own,
    /// it would cost more than it gains. So there is a second round trip only where the first is full or held up, and no third.
    func wanted(at now: MonotonicTime) -> Int {
        if kind == .alone || waiters.isEmpty { return waiters.count }
        let isHeldBack =
            switch loans.count {
            case 0: false
            case 1: waiters.count < PoolLine.mostSharers && now - loans.since < PoolLine.patience
            default: true
            }
        return isHeldBack ? 0 : 1
    }

    /// Takes those who go next, on one connection.
    mutating func begin(at now: MonotonicTime) -> [PoolWaiter] {
        loans = (loans.count + 1, now)
        let next = Array(waiters.prefix(kind == .alone ? 1 : PoolLine.mostSharers))
        waiters.removeFirst(next.count)
        return next
    }

    mutating func end() { loans.count -= 1 }
}
