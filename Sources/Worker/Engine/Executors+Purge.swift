import ExecutorRPC
import Runtime
import RuntimeCore
import Store

extension Executors {
    private static let purgeTimeout = Duration.seconds(300)

    enum Deletion {
        case done
        /// It is logged.
        case failed
        /// The executor knows a fence above that of the database, which was restored from a backup perhaps.
        case fenced(above: Int64)
    }

    /// Deletes a dropped snapshot's directory, outside any task.
    func delete(_ purge: Purge, logger: Logger) async -> Deletion {
        let snapshot = purge.snapshot
        // It goes by an id of its own: the task that dropped the snapshot has ended.
        let id = UUIDv7.make()
        let logger = logger.with(.requestID, .text(id)).with(.wsid, .text(snapshot.wsid))
            .with(.snapshotID, .text(snapshot.snapshotID)).with(.fence, .integer(purge.fence))
        let request = ExecuteTaskRequest(
            taskID: id, wsid: snapshot.wsid, fence: UInt64(clamping: purge.fence), requestID: id,
            operation: .snapshotDrop(snapshotID: snapshot.snapshotID))
        switch await execute(request, on: choose(for: snapshot.wsid), deadline: Executors.purgeTimeout) {
        case .success(.result):
            logger.info("dropped snapshot deleted")
            return .done
        case .success(.failure(let failure)) where failure.code == .fenced:
            logger.info("fence is behind the executor's", [.code: .text(failure.code.rawValue)])
            return .fenced(above: Int64(clamping: failure.storedFence ?? 0))
        case .success(.failure(let failure)):
            logger.warn(
                "dropped snapshot not deleted", [.code: .text(failure.code.rawValue), .error: .text(failure.message)])
        case .failure(let error): logger.warn("dropped snapshot not deleted", [.error: .text(error.description)])
        }
        return .failed
    }
}
