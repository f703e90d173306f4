private import Synchronization

/// How far a clone or a removal has come; may be read from any thread meanwhile.
package final class CloneProgress: Sendable {
    private let count = Atomic<Int>(0)
    private let told = Atomic<Int>(0)
    private let onStep: (@Sendable () -> Void)?

    /// - Parameter onStep: runs on the thread that waits for the work, some ten times a second, when there is more than before.
    package init(onStep: (@Sendable () -> Void)? = nil) { self.onStep = onStep }

    /// Entries done so far.
    package var entries: Int { count.load(ordering: .relaxed) }

    /// Begins anew, as for a second phase that goes through all entries again.
    func restart() { count.store(0, ordering: .relaxed) }

    func add(_ entries: Int) { count.add(entries, ordering: .relaxed) }

    /// Says how far it is. Not to be called on a thread that clones: whatever is told may have threads started, and those would act
    /// as the one that the clone's files are created as (`CreationOwner`).
    func tell() {
        let now = entries
        if told.exchange(now, ordering: .relaxed) != now { onStep?() }
    }
}
