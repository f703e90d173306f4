import Glibc
import Quiesce
import RuntimeCore

/// An agent that can be told to stand still: it has no processes, but it knows whether it may run, and looks at the real
/// `current`.
final class StillAgent: FrozenAgent, @unchecked Sendable {
    // Unchecked: everything mutable is in `state`.
    private struct State {
        var isFrozen = false
        var holds = true
        var freezes = 0
        var whileFrozen: @Sendable () -> Void = {}
    }

    private let state = Mutex(State())
    private let current: String
    let method = FreezeMethod.cgroup2

    /// - Parameter workspace: the workspace's folder.
    init(workspace: String) { current = "\(workspace)/current" }

    var isFrozen: Bool { state.withLock { $0.isFrozen } }
    var freezes: Int { state.withLock { $0.freezes } }

    /// From now on its lease has always lapsed by the end of a freeze.
    func loseLeases() { state.withLock { $0.holds = false } }

    /// Runs `body` within each freeze, before it is acknowledged.
    func whileFrozen(_ body: @escaping @Sendable () -> Void) { state.withLock { $0.whileFrozen = body } }

    func armLease(epoch: UInt64, until deadline: MonotonicTime) throws(AgentError) {}
    func extendLease(until deadline: MonotonicTime) -> Bool { true }

    func release() -> Bool {
        defer { thaw() }
        return state.withLock { $0.holds }
    }

    func freeze(deadline: MonotonicTime) throws(AgentError) -> FreezeReport {
        let body = state.withLock { state in
            state.isFrozen = true
            state.freezes += 1
            return state.whileFrozen
        }
        body()
        return FreezeReport(method: method, processes: 1, threads: 2)
    }

    func flush(deadline: MonotonicTime, forSwitch: Bool, stillWanted: () -> Bool) throws(AgentError) -> FlushReport {
        FlushReport(flushedFiles: 3, openFiles: OpenFiles(complete: true, files: []))
    }

    func thaw() { state.withLock { $0.isFrozen = false } }

    func sees(current target: String) -> Bool {
        var buffer = [CChar](repeating: 0, count: 256)
        let length = readlink(current, &buffer, buffer.count)
        return length > 0 && String(decoding: buffer[..<length].map { UInt8(bitPattern: $0) }, as: UTF8.self) == target
    }
}
