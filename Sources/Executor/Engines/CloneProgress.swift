private import Synchronization

/// How far a clone or a removal has come; may be read from any thread meanwhile.
package final class CloneProgress: Sendable {
    private let count = Atomic<Int>(0)

    package init() {}

    /// Entries done so far.
    package var entries: Int { count.load(ordering: .relaxed) }

    func add(_ entries: Int) { count.add(entries, ordering: .relaxed) }
}
