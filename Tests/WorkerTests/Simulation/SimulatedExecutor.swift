import ExecutorRPC
import GRPCTransport
import Model
import RuntimeCore

/// A workspace's folder, which all executors share.
struct SimulatedTree {
    var fence: UInt64 = 0
    var snapshots: Set<String> = []
    var lives: Set<String> = []
    var current: (live: String, snapshot: String?)?
    /// What was published, by task.
    var results: [String: TaskResult] = [:]
}

/// One call at an executor.
final class SimulatedCall {
    let request: ExecuteTaskRequest
    let workspace: Int
    var isOver = false
    init(_ request: ExecuteTaskRequest, workspace: Int) {
        self.request = request
        self.workspace = workspace
    }
}

/// wvs-executor as workers see it: it answers late, twice, never or out of order, dies and comes back. Only its rules for fences
/// and publications hold.
final class SimulatedExecutor {
    typealias Answer<Outcome> = (Result<Outcome, GRPCError>) -> Void

    let address: String
    private unowned let simulation: Simulation
    var downUntil: Int64 = 0
    private var running: [Int: SimulatedCall] = [:]
    private var generation = 0

    init(address: String, simulation: Simulation) {
        self.address = address
        self.simulation = simulation
    }

    private var isDown: Bool { simulation.now < downUntil }

    func crash(until time: Int64) {
        generation += 1
        running.values.forEach { $0.isOver = true }
        running = [:]
        downUntil = time
    }

    // MARK: Execute

    /// - Returns: what cancels the call.
    func execute(
        _ request: ExecuteTaskRequest, workspace: Int, answer: @escaping Answer<ExecuteTaskOutcome>
    ) -> () -> Void {
        let call = SimulatedCall(request, workspace: workspace)
        simulation.after(delay()) { [self] in arrive(call, answer) }
        return { [self] in
            // Some do not hear of it, and work on.
            if !simulation.random.once(in: 8) { simulation.after(delay()) { call.isOver = true } }
        }
    }

    private func arrive(_ call: SimulatedCall, _ answer: @escaping Answer<ExecuteTaskOutcome>) {
        guard !isDown else { return answer(.failure(GRPCError(.unavailable, "down"))) }
        guard !call.isOver else { return answer(.failure(GRPCError(.canceled, "canceled"))) }
        if let refusal = takeFence(call.request.fence, in: call.workspace) {
            return reply(.failure(refusal), answer)
        }
        running[call.workspace] = call
        if let known = simulation.trees[call.workspace].results[call.request.taskID] {
            return reply(.result(known), answer)
        }
        let generation = generation
        let dice = simulation.isWild ? simulation.random.below(40) : 39
        // Some last longer than a lease, or than their deadline.
        let work = dice < 3 ? simulation.random.time(2_000_000, 15_000_000) : simulation.random.time(1_000, 400_000)
        simulation.after(work) { [self] in
            guard generation == self.generation else { return answer(.failure(GRPCError(.unavailable, "died"))) }
            guard !call.isOver else { return answer(.failure(GRPCError(.canceled, "canceled"))) }
            switch dice {
            case 3: return
            case 4, 5, 6: reply(.failure(.busy), answer)
            case 7: reply(.failure(.hopeless), answer)
            case 8: answer(.failure(GRPCError(.internal, "scripted")))
            default: publish(call, answer, loses: dice == 9 || dice == 10)
            }
        }
    }

    private func publish(_ call: SimulatedCall, _ answer: @escaping Answer<ExecuteTaskOutcome>, loses: Bool) {
        let stored = simulation.trees[call.workspace].fence
        guard call.request.fence == stored || simulation.flaw == .publishUnderAnyFence else {
            return reply(.failure(.fenced(stored)), answer)
        }
        if let known = simulation.trees[call.workspace].results[call.request.taskID] {
            return reply(.result(known), answer)
        }
        switch apply(call.request, in: call.workspace) {
        case .success(let result):
            simulation.trees[call.workspace].results[call.request.taskID] = result
            simulation.published(call.request, in: call.workspace)
            if loses { return answer(.failure(GRPCError(.unavailable, "the connection broke"))) }
            reply(.result(result), answer)
        case .failure(let failure):
            simulation.violate("task \(call.request.taskID) can only fail: \(failure.failure.message)")
            reply(.failure(failure.failure), answer)
        }
    }

    private struct Refusal: Error { let failure: TaskFailure }

    private func apply(_ request: ExecuteTaskRequest, in workspace: Int) -> Result<TaskResult, Refusal> {
        switch request.operation {
        case .initWorkspace(let live, _):
            simulation.trees[workspace].lives.insert("live/\(live)")
            simulation.trees[workspace].current = ("live/\(live)", nil)
        case .snapshotCreate(let id, _): simulation.trees[workspace].snapshots.insert(id)
        case .snapshotDrop(let id): simulation.trees[workspace].snapshots.remove(id)
        case .setCurrent(let snapshot, let live, let discard):
            guard simulation.trees[workspace].snapshots.contains(snapshot) else {
                return .failure(Refusal(failure: .hopeless))
            }
            if let current = simulation.trees[workspace].current, current.snapshot == snapshot, !discard {
                return .success(
                    .setCurrent(
                        SetCurrentResult(
                            currentSnapshotID: snapshot, currentPath: current.live, noop: true, receipt: nil)))
            }
            simulation.trees[workspace].lives.insert("live/\(live)")
            simulation.trees[workspace].current = ("live/\(live)", snapshot)
        }
        return .success(.example(for: request.operation))
    }

    // MARK: Settle

    func settle(
        _ taskID: String, fence: UInt64, workspace: Int, answer: @escaping Answer<SettleOutcome>
    ) {
        simulation.after(delay()) { [self] in
            guard !isDown else { return answer(.failure(GRPCError(.unavailable, "down"))) }
            if let refusal = takeFence(fence, in: workspace) {
                return reply(.failure(refusal), answer)
            }
            if simulation.isWild, simulation.random.once(in: 10) { return reply(.failure(.busy), answer) }
            if simulation.isWild, simulation.random.once(in: 12) {
                return answer(.failure(GRPCError(.deadlineExceeded, "no answer")))
            }
            reply(simulation.trees[workspace].results[taskID].map { .published($0) } ?? .notPublished, answer)
        }
    }

    // MARK: Parts

    /// Writes a higher fence, and ends the older call where it can; nil, or the refusal of a lower one.
    private func takeFence(_ fence: UInt64, in workspace: Int) -> TaskFailure? {
        let stored = simulation.trees[workspace].fence
        guard fence >= stored else { return .fenced(stored) }
        if fence > stored {
            simulation.trees[workspace].fence = fence
            if simulation.random.once(in: 2) { running[workspace]?.isOver = true }
        }
        return nil
    }

    /// In a while, and seldom in a long while.
    private func reply<Outcome>(_ outcome: Outcome, _ answer: @escaping Answer<Outcome>) {
        let isLate = simulation.isWild && simulation.random.once(in: 25)
        simulation.after(isLate ? simulation.random.time(1_000_000, 12_000_000) : delay()) {
            answer(.success(outcome))
        }
        guard simulation.isWild, simulation.random.once(in: 20) else { return }
        // And some twice.
        simulation.after(simulation.random.time(1_000, 8_000_000)) { answer(.success(outcome)) }
    }

    private func delay() -> Int64 { simulation.random.time(50, 3_000) }
}
