import RuntimeCore
import Store

/// All tasks that this worker owns, with their leases.
final class HeldTasks: Sendable {
    /// How long a cancellation is remembered of a task that nobody holds: longer than a claim takes to be answered.
    private static let memory = Duration.seconds(10)
    private static let mostRemembered = 1024

    private struct State {
        var tasks: [Int: HeldTask] = [:]
        var leases: LeaseBook
        var nextID = 0
        /// Cancellations that were heard of, oldest first.
        var canceled: [(taskID: String, at: MonotonicTime)] = []
    }

    private let state: Mutex<State>
    /// Yields whenever a task was let go of.
    private let onRelease: @Sendable () -> Void

    init(lease: Duration, onRelease: @escaping @Sendable () -> Void) {
        state = Mutex(State(leases: LeaseBook(lease: lease)))
        self.onRelease = onRelease
    }

    var count: Int { state.withLock { $0.tasks.count } }

    var nextDeadline: MonotonicTime? { state.withLock { $0.leases.nextDeadline } }

    /// In the order in which they came to be held.
    private var all: [(id: Int, task: HeldTask)] {
        state.withLock { $0.tasks.sorted { $0.key < $1.key } }.map { ($0.key, $0.value) }
    }

    var ownerships: [TaskFence] { all.map(\.task.ownership) }

    /// - Parameter askedAt: before the statement that granted the lease was sent.
    func hold(_ task: HeldTask, askedAt: MonotonicTime) -> Int {
        let (id, isCanceled) = state.withLock { state in
            state.nextID += 1
            state.tasks[state.nextID] = task
            state.leases.hold(state.nextID, askedAt: askedAt)
            return (state.nextID, state.canceled.contains { $0.taskID == task.ownership.taskID && $0.at >= askedAt })
        }
        if isCanceled { task.requestCancel() }
        return id
    }

    /// A client wants a task canceled, of this worker or of another. It may be claimed already, and held in a moment.
    func requestCancel(_ taskID: String, at now: MonotonicTime) {
        state.withLock { state in
            state.canceled.removeAll { now - $0.at > HeldTasks.memory }
            if state.canceled.count == HeldTasks.mostRemembered { state.canceled.removeFirst() }
            state.canceled.append((taskID, now))
        }
        for (_, task) in all where task.ownership.taskID == taskID { task.requestCancel() }
    }

    func release(_ id: Int) {
        state.withLock { state in
            state.tasks[id] = nil
            state.leases.release(id)
        }
        onRelease()
    }

    /// Takes in what a renewal answered for `asked`.
    func renew(_ renewed: [RenewedTask], of asked: [TaskFence], askedAt: MonotonicTime) {
        let answers = Dictionary(renewed.map { ($0.ownership, $0) }, uniquingKeysWith: { $1 })
        // A task whose fence was raised, or that was claimed, while the statement ran was not asked for: the next one renews it.
        for (id, task) in all where asked.contains(task.ownership) && !task.isRefencing {
            guard let answer = answers[task.ownership] else {
                task.lose()
                continue
            }
            state.withLock { state in if state.tasks[id] != nil { state.leases.hold(id, askedAt: askedAt) } }
            if answer.cancelRequested { task.requestCancel() }
        }
    }

    /// A lease of its own was granted to a task, with a new fence.
    func extend(_ id: Int, askedAt: MonotonicTime) {
        state.withLock { state in if state.tasks[id] != nil { state.leases.hold(id, askedAt: askedAt) } }
    }

    /// Loses the tasks whose lease is about to end, and answers how many.
    func expire(at now: MonotonicTime) -> Int {
        let expired = state.withLock { state in state.leases.expire(at: now).compactMap { state.tasks[$0] } }
        expired.forEach { $0.lose() }
        return expired.count
    }

    /// Loses all tasks.
    func loseAll() { all.forEach { $0.task.lose() } }
}
