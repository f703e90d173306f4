private import Glibc
import RuntimeCore
private import Synchronization

/// Threads that work off a stack of items, each of which may push more; done when none is left.
///
/// Last in, first out: a tree is walked depth first, so that few directories wait at a time. Threads start as work comes in,
/// so a small tree costs one.
final class WorkCrew<Item: Sendable>: Sendable {
    /// Does one item. Made on each thread, for itself; it may keep what belongs to that thread.
    typealias Work = (Item) throws -> Void

    private struct State {
        var items: [Item] = []
        /// Items waiting or being done.
        var unfinished = 0
        var idle = 0
        var started = 0
        /// Started and not yet joined.
        var threads: [WorkerThread] = []
        var failure: (any Error)?

        var isOver: Bool { unfinished == 0 || failure != nil }
    }

    private let state = Monitor(State())
    private let stopping = Atomic(false)
    private let width: Int
    private let name: String
    private let makeWork: @Sendable (WorkCrew) throws -> Work

    /// - Parameter width: how many threads at most; 0 means one for each core this process may use.
    init(name: String, width: Int, makeWork: @escaping @Sendable (WorkCrew) throws -> Work) {
        self.name = name
        self.width = width > 0 ? width : max(1, sysconf(CInt(_SC_NPROCESSORS_ONLN)))
        self.makeWork = makeWork
    }

    /// Does `item` and all that comes of it.
    ///
    /// - Parameter meanwhile: runs on the calling thread ten times a second.
    /// - Throws: the first error of any item; the items not yet begun are dropped then.
    func run(_ item: Item, meanwhile: () -> Void = {}) throws {
        push(item)
        // Threads end when all work is done, and only a thread at work starts another.
        while let thread = state.withLock({ $0.threads.popLast() }) {
            while !thread.join(within: .milliseconds(100)) { meanwhile() }
        }
        if let failure = state.withLock({ $0.failure }) { throw failure }
    }

    func push(_ item: Item) {
        let wake = state.withLock { state in
            guard state.failure == nil else { return false }
            state.items.append(item)
            state.unfinished += 1
            if state.idle < state.items.count, state.started < width { start(&state) }
            return state.idle > 0
        }
        if wake { state.wakeOne() }
    }

    /// Whether a thread has nothing to do, or could be started.
    var isHungry: Bool {
        state.withLock { $0.items.isEmpty && ($0.idle > 0 || $0.started < width) }
    }

    /// Whether an item has failed: everyone stops as soon as they see it.
    var isStopping: Bool { stopping.load(ordering: .relaxed) }

    private func start(_ state: inout State) {
        do {
            state.threads.append(try WorkerThread(name: name) { self.workOff() })
            state.started += 1
        } catch {
            // With one thread the work gets done, if later.
            if state.started == 0 { fail(error, &state) }
        }
    }

    private func fail(_ error: any Error, _ state: inout State) {
        if state.failure == nil { state.failure = error }
        state.items = []
        stopping.store(true, ordering: .relaxed)
    }

    private func workOff() {
        do {
            let work = try makeWork(self)
            while let item = next() {
                try work(item)
                finish()
            }
        } catch {
            state.withLock { fail(error, &$0) }
            state.wakeAll()
        }
    }

    private func next() -> Item? {
        state.withLock { $0.idle += 1 }
        let item: Item? = state.wait { state in
            guard let item = state.items.popLast() else { return state.isOver ? .some(nil) : nil }
            return .some(item)
        }
        state.withLock { $0.idle -= 1 }
        return item
    }

    private func finish() {
        let isLast = state.withLock { state in
            state.unfinished -= 1
            return state.unfinished == 0
        }
        if isLast { state.wakeAll() }
    }
}
