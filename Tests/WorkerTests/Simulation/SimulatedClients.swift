import Model
import RuntimeCore

/// Requests at random, some twice at once with one key.
final class SimulatedClients {
    private unowned let simulation: Simulation
    private var left: Int
    private var made = 0
    private var waiting = 0

    init(_ simulation: Simulation) {
        self.simulation = simulation
        left = 10 + simulation.random.below(14)
    }

    var areDone: Bool { left == 0 && waiting == 0 }

    func begin() {
        for _ in 0..<(1 + simulation.random.below(3)) {
            let workspace = simulation.database.addWorkspace()
            // Some databases were restored from a backup: the executors know higher fences.
            let fence = simulation.random.once(in: 4) ? UInt64(1 + simulation.random.below(20)) : 0
            simulation.trees.append(SimulatedTree(fence: fence))
            send(.create(workspace: workspace, key: "create", live: "live-0"))
        }
        next()
    }

    private func next() {
        guard left > 0 else { return }
        left -= 1
        waiting += 1
        simulation.after(simulation.random.time(1_000, 1_100_000)) { [self] in
            waiting -= 1
            let request = makeRequest()
            send(request)
            if simulation.random.once(in: 5) { send(request) }
            if case .disable(let workspace) = request, simulation.random.once(in: 2) {
                send(.snapshot(workspace: workspace, key: "key-\(made)", id: "snapshot-\(made)"))
            }
            next()
        }
    }

    private func makeRequest() -> SimulatedRequest {
        made += 1
        let rows = simulation.database.rows
        let workspace = simulation.random.below(rows.workspaces.count)
        let key = "key-\(made)"
        let snapshots = rows.snapshots.filter { $0.value.workspace == workspace && !$0.value.deleted }.map(\.key)
            .sorted()
        let some = snapshots.isEmpty ? nil : snapshots[simulation.random.below(snapshots.count)]
        let live = "live-\(made)"
        if rows.workspaces[workspace].state == .initFailed {
            return .retryInit(workspace: workspace, key: key, live: live)
        }
        let unfinished = rows.tasks.indices.filter { rows.tasks[$0].isUnfinished }
        switch (simulation.random.below(16), some) {
        case (0...3, let snapshot?):
            return .set(
                workspace: workspace, key: key, snapshot: snapshot, live: live, discard: simulation.random.once(in: 2))
        case (4...6, let snapshot?): return .drop(workspace: workspace, key: key, snapshot: snapshot)
        case (7...9, _) where !unfinished.isEmpty:
            return .cancel(task: unfinished[simulation.random.below(unfinished.count)])
        case (10...11, _) where left < 8: return .disable(workspace: workspace)
        default: return .snapshot(workspace: workspace, key: key, id: "snapshot-\(made)")
        }
    }

    private func send(_ request: SimulatedRequest) {
        waiting += 1
        simulation.perform(
            simulation.sql.statements(for: request), as: .request(request), by: nil, result: Box(())
        ) { [self] _ in waiting -= 1 }
    }
}
