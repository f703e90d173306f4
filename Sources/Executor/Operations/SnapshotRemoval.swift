import ExecutorRPC
import RuntimeCore

/// snapshot_drop: gone at once by a rename, removed in the background.
struct SnapshotRemoval: WorkspaceOperation {
    let snapshotID: String
    let attempt: Attempt
    let context: OperationContext
    let folder: WorkspaceFolder

    private var record: String { Names.record(snapshotID) }

    func published() throws -> TaskResult? {
        guard try !folder.snapshots.exists(snapshotID) else { return nil }
        // An earlier attempt may have died between the two.
        try OutcomeUnknown.guarding {
            try folder.snapshots.unlink(record)
            try folder.snapshots.sync()
        }
        return .snapshotDrop(alreadyGone: true)
    }

    func run() throws -> TaskResult {
        attempt.progress.enter(.deleting)
        Failpoint.hit("executor.drop.before_rename")
        try attempt.cancellation.check()
        try folder.fence.check(attempt.fence)
        try folder.snapshots.moveToTrash(snapshotID)
        return try OutcomeUnknown.guarding {
            Failpoint.hit("executor.drop.after_rename")
            try folder.snapshots.unlink(record)
            try folder.snapshots.sync()
            Failpoint.hit("executor.drop.after_sync")
            context.trash.collect(workspace: attempt.wsid)
            return .snapshotDrop(alreadyGone: false)
        }
    }

    func removeRemains() {}
}
