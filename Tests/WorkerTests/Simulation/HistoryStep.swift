import Store

@testable import Worker

/// A committed transaction, so that it can be made again on PostgreSQL.
enum HistoryStep {
    case request(SimulatedRequest)
    case claim(limit: Int, worker: String)
    case renew([TaskFence])
    case handBack([TaskFence])
    case raiseFence(TaskFence, above: Int64)
    case takeOver(limit: Int, abandoned: [TaskFence], worker: String)
    case finish([Ledger.Completion])
    case mark(String, TaskFence)
    case claimPurges
    case raisePurgeFence(workspace: Int, above: Int64)
    case markPurged(String)
}
