import Model
import Postgres
import Runtime
import RuntimeCore
import Store

/// Lets requests wait for the end of a task: woken by NOTIFY `wvs_done`, with a look at the table from time to time, as a
/// notification may be lost.
final class TaskWatch: Service {
    let name = "task watch"
    private struct State {
        var waiters: [Int: (taskID: String, continuation: AsyncStream<Void>.Continuation)] = [:]
        var lastID = 0
        var isStopped = false
    }

    private let pool: PostgresPool
    private let listener: Listener
    private let glance: Duration
    private let state = Mutex(State())
    private let stopping = AsyncStream.makeStream(of: Void.self)

    /// - Parameter glance: how late an end is seen whose notification was lost.
    init(pool: PostgresPool, listener: Listener, glance: Duration = .seconds(2)) {
        self.pool = pool
        self.listener = listener
        self.glance = glance
    }

    /// The task, as soon as it has ended or `limit` is over; at once when the program shuts down.
    func task(_ taskID: String, waiting limit: Duration) async throws -> TaskRecord? {
        let deadline = MonotonicTime.now + limit
        while true {
            // Before the look: what ends after it must not be missed. Each time anew: a stream whose reader was cancelled,
            // as the wait below does, is finished.
            let (id, wakeUps) = subscribe(taskID)
            defer { unsubscribe(id) }
            let task = try await Tasks.get(taskID, on: pool)
            let pause = min(deadline.remaining, glance)
            guard let task, !task.status.isEnded, pause > .zero, !state.withLock({ $0.isStopped }) else { return task }
            try await wait(wakeUps, atMost: pause)
        }
    }

    /// Whether somebody waits for a task at this moment.
    func isAwaited(_ taskID: String) -> Bool { state.withLock { $0.waiters.values.contains { $0.taskID == taskID } } }

    func run() async throws {
        let listening = Task {
            for await event in listener.notifications(.done) {
                switch event {
                case .received(let taskID): wake { $0 == taskID }
                case .resumed: wake { _ in true }
                }
            }
        }
        await withTaskCancellationHandler {
            for await _ in stopping.stream {}
        } onCancel: {
            shutdown()
        }
        listening.cancel()
        await listening.value
    }

    func shutdown() {
        state.withLock { $0.isStopped = true }
        wake { _ in true }
        stopping.continuation.finish()
    }

    private func wait(_ wakeUps: AsyncStream<Void>, atMost limit: Duration) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { for await _ in wakeUps { return } }
            group.addTask { try await Task.sleep(for: limit) }
            try await group.next()
            group.cancelAll()
        }
    }

    private func subscribe(_ taskID: String) -> (id: Int, wakeUps: AsyncStream<Void>) {
        let (stream, continuation) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        let id = state.withLock { state in
            state.lastID += 1
            state.waiters[state.lastID] = (taskID, continuation)
            return state.lastID
        }
        return (id, stream)
    }

    private func unsubscribe(_ id: Int) { state.withLock { _ = $0.waiters.removeValue(forKey: id) } }

    private func wake(where isMeant: (String) -> Bool) {
        let woken = state.withLock { state in state.waiters.values.filter { isMeant($0.taskID) } }
        woken.forEach { $0.continuation.yield() }
    }
}
