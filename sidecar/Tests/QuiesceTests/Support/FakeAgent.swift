import RuntimeCore

@testable import Quiesce

/// An agent and its guardian in memory: counts what it is told, and knows whether it may run at a given time.
final class FakeAgent: FrozenAgent, @unchecked Sendable {
    // Unchecked: everything mutable is in `state`.
    struct State {
        var isFrozen = false
        var deadline: MonotonicTime?
        var hasLapsed = false
        var freezes = 0
        /// What `flush` was told last.
        var isForSwitch: Bool?
        var thaws = 0
        var current: String?
        var flushFailure: String?
        var freezeFailure: String?
        /// How often `flush` asks whether it is still wanted before it goes on.
        var flushesUntil: @Sendable () -> Bool = { true }
        var openFiles = OpenFiles(complete: true, files: [])
        var doubt: String?
    }

    let state = Mutex(State())
    let method: FreezeMethod

    init(method: FreezeMethod = .cgroup2) { self.method = method }

    var isFrozen: Bool { state.withLock { Self.settle(&$0).isFrozen } }

    func armLease(epoch: UInt64, until deadline: MonotonicTime) throws(AgentError) {
        state.withLock {
            $0.deadline = deadline
            $0.hasLapsed = false
        }
    }

    func extendLease(until deadline: MonotonicTime) -> Bool {
        state.withLock { state in
            guard !Self.settle(&state).hasLapsed else { return false }
            state.deadline = deadline
            return true
        }
    }

    func freeze(deadline: MonotonicTime) throws(AgentError) -> FreezeReport {
        let failure = state.withLock { state in
            state.freezes += 1
            state.isFrozen = state.freezeFailure == nil
            return state.freezeFailure
        }
        if let failure { throw AgentError(failure) }
        return FreezeReport(method: method, processes: 3, threads: 7)
    }

    func flush(deadline: MonotonicTime, forSwitch: Bool, stillWanted: () -> Bool) throws(AgentError) -> FlushReport {
        state.withLock { $0.isForSwitch = forSwitch }
        while !state.withLock({ $0.flushesUntil })() {
            guard stillWanted() else { throw AgentError("the flush was called off") }
        }
        let (failure, files, doubt) = state.withLock { ($0.flushFailure, $0.openFiles, $0.doubt) }
        if let failure { throw AgentError(failure) }
        return FlushReport(flushedFiles: 2, openFiles: files, doubt: doubt)
    }

    func release() -> Bool {
        defer { thaw() }
        return state.withLock { !Self.settle(&$0).hasLapsed && $0.deadline != nil }
    }

    func thaw() {
        state.withLock { state in
            if state.isFrozen { state.thaws += 1 }
            state.isFrozen = false
            state.deadline = nil
        }
    }

    func sees(current target: String) -> Bool { state.withLock { $0.current == target } }

    /// The guardian's clock runs out now.
    func lapse() {
        state.withLock { state in
            state.hasLapsed = state.deadline != nil
            state.isFrozen = false
        }
    }

    /// What the guardian does by itself, seen when somebody looks.
    @discardableResult
    private static func settle(_ state: inout State) -> State {
        if let deadline = state.deadline, deadline <= .now {
            state.hasLapsed = true
            state.isFrozen = false
        }
        return state
    }
}
