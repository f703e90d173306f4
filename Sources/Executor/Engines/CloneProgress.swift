import RuntimeCore
private import Synchronization

/// How far a clone or a removal has come; may be read from any thread meanwhile.
package final class CloneProgress: Sendable {
    /// Between two calls of `onStep`, in nanoseconds.
    private static let pace: Int64 = 100_000_000

    private let count = Atomic<Int>(0)
    private let onStep: (@Sendable () -> Void)?
    private let nextStep = Atomic<Int64>(0)

    /// - Parameter onStep: runs on the thread that counts, ten times a second at most, when there is more than before.
    package init(onStep: (@Sendable () -> Void)? = nil) { self.onStep = onStep }

    /// Entries done so far.
    package var entries: Int { count.load(ordering: .relaxed) }

    /// Begins anew, as for a second phase that goes through all entries again.
    func restart() { count.store(0, ordering: .relaxed) }

    func add(_ entries: Int) {
        count.add(entries, ordering: .relaxed)
        guard let onStep else { return }
        let now = MonotonicTime.now.nanoseconds
        let due = nextStep.load(ordering: .relaxed)
        guard now >= due,
            nextStep.compareExchange(expected: due, desired: now + Self.pace, ordering: .relaxed).exchanged
        else { return }
        onStep()
    }
}
