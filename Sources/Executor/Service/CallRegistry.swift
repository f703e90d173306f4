import RuntimeCore

/// The calls of this process: one at a time for each workspace, the highest fence first.
///
/// A call with a higher fence stops the one under way and waits for its end, so that it meets a workspace on which nothing
/// moves any more. One with a lower fence is refused. One with an equal fence, the same call repeated, waits for its turn.
final class CallRegistry: Sendable {
    private typealias Turn = CheckedContinuation<Void, any Error>

    private struct Waiter {
        let call: Call
        let turn: Turn
    }

    private struct Lane {
        var running: Call
        var waiting: [Waiter] = []
    }

    private struct Admission {
        /// Nil: it waits.
        var result: Result<Void, any Error>?
        var overtaken: Call?
        var refused: [Turn] = []
    }

    private let lanes = Mutex<[String: Lane]>([:])

    /// Waits until this call is the only one of its workspace. Throws `FencedOff`, or `CancellationError` once stopped; then
    /// the call has no turn, and `end` must not be called.
    func begin(_ call: Call) async throws {
        try await withCheckedThrowingContinuation { turn in
            let admission = lanes.withLock { Self.admit(call, turn, &$0[call.wsid]) }
            for refused in admission.refused { refused.resume(throwing: FencedOff(stored: call.fence)) }
            admission.overtaken?.stop(.fenced(by: call.fence))
            if let result = admission.result { turn.resume(with: result) }
        }
    }

    /// Gives the workspace to the next call.
    func end(_ call: Call) {
        let next: Waiter? = lanes.withLock { lanes in
            guard var lane = lanes[call.wsid], lane.running === call else {
                preconditionFailure("a call ends once, and only after its turn began")
            }
            guard !lane.waiting.isEmpty else {
                lanes[call.wsid] = nil
                return nil
            }
            let next = lane.waiting.removeFirst()
            lane.running = next.call
            lanes[call.wsid] = lane
            return next
        }
        next?.turn.resume()
    }

    /// Stops a call wherever it is: one that waits gives up at once, one that runs comes to its end soon.
    func stop(_ call: Call, _ reason: Call.StopReason) {
        call.stop(reason)
        let waiter: Waiter? = lanes.withLock { lanes in
            guard let index = lanes[call.wsid]?.waiting.firstIndex(where: { $0.call === call }) else { return nil }
            return lanes[call.wsid]?.waiting.remove(at: index)
        }
        waiter?.turn.resume(throwing: CancellationError())
    }

    /// The call that works on a task now.
    func running(taskID: String) -> Call? {
        lanes.withLock { lanes in lanes.values.first { $0.running.taskID == taskID }?.running }
    }

    /// How many calls wait for a workspace.
    func waiting(wsid: String) -> Int { lanes.withLock { $0[wsid]?.waiting.count ?? 0 } }

    private static func admit(_ call: Call, _ turn: Turn, _ lane: inout Lane?) -> Admission {
        // Stopped before it came here: nobody would wake it.
        if call.cancellation.isCancelled { return Admission(result: .failure(CancellationError())) }
        guard var current = lane else {
            lane = Lane(running: call)
            return Admission(result: .success(()))
        }
        let highest = current.waiting.reduce(current.running.fence) { max($0, $1.call.fence) }
        if highest > call.fence { return Admission(result: .failure(FencedOff(stored: highest))) }
        let refused = current.waiting.filter { $0.call.fence < call.fence }
        current.waiting.removeAll { $0.call.fence < call.fence }
        current.waiting.append(Waiter(call: call, turn: turn))
        lane = current
        let isNewer = current.running.fence < call.fence
        return Admission(overtaken: isNewer ? current.running : nil, refused: refused.map(\.turn))
    }
}
