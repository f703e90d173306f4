import ExecutorRPC
import Quiesce
import RuntimeCore

/// snapshot_create: clone what can be cloned before, freeze, clone, thaw; only then sync and publish, so that nobody waits
/// frozen for a disk.
struct SnapshotCreation: WorkspaceOperation {
    let snapshotID: String
    let message: String
    let attempt: Attempt
    let context: OperationContext
    let folder: WorkspaceFolder

    private var staging: Staging {
        Staging(folder: folder.snapshots, id: snapshotID, fence: attempt.fence)
    }

    func published() throws -> TaskResult? {
        guard let manifest = try folder.manifest(of: snapshotID) else { return nil }
        // Whoever published it may have died before this.
        try OutcomeUnknown.guarding { try folder.snapshots.sync() }
        return result(manifest)
    }

    func run() throws -> TaskResult {
        do {
            return try build()
        } catch let unknown as OutcomeUnknown {
            throw unknown
        } catch {
            attempt.cleanUp(staging.discard)
            context.trash.collect(workspace: attempt.wsid)
            throw error
        }
    }

    /// A manifest whose attempt died just before the snapshot followed stays. Alone it means nothing, and the next attempt replaces it;
    /// who was stopped while he removed it by its name would remove that of a later attempt.
    func removeRemains() {}

    private func build() throws -> TaskResult {
        let liveID = try folder.currentLiveID()
        let treeClone = try TreeClone(
            of: TreeClone.Place(folder: folder.live, name: liveID), as: .snapshot,
            TreeClone.Place(folder: staging.folder, name: staging.tree), op: "snapshot_create", attempt: attempt,
            context: context)
        let freezing = AgentFreeze(attempt: attempt, context: context, folder: folder, op: "snapshot_create")
        let cloning = SnapshotClone(treeClone: treeClone, staging: staging, attempt: attempt, context: context)
        let first = try cloning.begin(freezing)
        Failpoint.hit("executor.snapshot.after_first_phase")
        try treeClone.prepare()
        try treeClone.syncSource()
        let (counted, receipt) = try freezing.hold { freeze in
            Failpoint.hit("executor.snapshot.after_quiesce")
            let counted = try cloning.finish(first, freeze)
            Failpoint.hit("executor.snapshot.after_clone")
            return counted
        }
        Failpoint.hit("executor.snapshot.after_resume")
        attempt.progress.enter(.syncing)
        let clone = try treeClone.complete(counted)
        // Where the second phase has put what was in its way.
        if first != nil { context.trash.collect(.snapshots(wsid: attempt.wsid)) }
        let manifest = SnapshotManifest(
            snapshotID: snapshotID, wsid: attempt.wsid, taskID: attempt.taskID, requestID: attempt.requestID,
            fence: attempt.fence, liveID: liveID, message: message, engine: clone.engine,
            entries: clone.entries, bytes: clone.bytes, createdAt: Timestamp.now.description,
            receipt: ReceiptRecord(receipt))
        try staging.createRecord(manifest, owner: context.settings.control)
        if !treeClone.isDurable { try staging.sync(attempt.cancellation) }
        Failpoint.hit("executor.snapshot.after_sync")
        try attempt.cancellation.check()
        attempt.progress.enter(.publishing)
        Failpoint.hit("executor.snapshot.before_publish")
        try staging.publish(folder.fence)
        Failpoint.hit("executor.snapshot.after_publish")
        try OutcomeUnknown.guarding { try folder.snapshots.sync() }
        return result(manifest)
    }

    private func result(_ manifest: SnapshotManifest) -> TaskResult {
        .snapshotCreate(
            SnapshotCreateResult(
                snapshotID: manifest.snapshotID, fsPath: "\(WorkspaceFolder.snapshotsName)/\(manifest.snapshotID)",
                engine: manifest.engine, entries: manifest.entries, receipt: manifest.receipt.message))
    }
}
