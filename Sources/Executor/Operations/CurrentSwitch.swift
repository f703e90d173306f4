import ExecutorRPC
import Quiesce
import RuntimeCore

/// set_current: clone the snapshot while the agent works, then freeze it only for the moment in which `current` moves.
struct CurrentSwitch: WorkspaceOperation {
    let snapshotID: String
    let liveID: String
    let discard: Bool
    let attempt: Attempt
    let context: OperationContext
    let folder: WorkspaceFolder

    private var staging: Staging { Staging(folder: folder.live, id: liveID, fence: attempt.fence) }
    private var link: String { StagedName.link(fence: attempt.fence).text }
    private var path: String { "\(WorkspaceFolder.liveName)/\(liveID)" }

    /// `current` decides, never the database: it points at this task's tree, or at one that came from the same snapshot.
    func published() throws -> TaskResult? {
        let currentID = try folder.currentLiveID()
        let origin = readOrigin(of: currentID)
        if currentID == liveID {
            // Whoever switched may have died before this.
            try OutcomeUnknown.guarding { try folder.root.sync() }
            return result(path: path, noop: false, receipt: origin?.receipt)
        }
        guard !discard, origin?.snapshotID == snapshotID else { return nil }
        return result(path: "\(WorkspaceFolder.liveName)/\(currentID)", noop: true, receipt: nil)
    }

    /// What cannot be read says nothing: no receipt, and no reason to do nothing.
    private func readOrigin(of liveID: String) -> LiveOrigin? {
        do {
            return try folder.origin(of: liveID)
        } catch {
            attempt.logger.warn(
                "a live tree's record cannot be read", [.liveID: .text(liveID), .error: LogValue(error)])
            return nil
        }
    }

    func run() throws -> TaskResult {
        guard let manifest = try folder.manifest(of: snapshotID) else {
            throw TaskFailure(code: .notFound, message: "snapshot \(snapshotID) does not exist", retryable: false)
        }
        do {
            let origin = try stageLive(manifest)
            let receipt = try switchCurrent()
            return try OutcomeUnknown.guarding { try conclude(origin, receipt) }
        } catch let unknown as OutcomeUnknown {
            throw unknown
        } catch {
            // Only what carries this attempt's fence: a newer attempt may be at work on the same tree.
            attempt.cleanUp { try folder.root.unlink(link) }
            attempt.cleanUp(staging.discard)
            context.trash.collect(.live(wsid: attempt.wsid))
            throw error
        }
    }

    /// A live tree whose attempt died just before it became current. (The predecessor of `current` once was.)
    func removeRemains() throws {
        guard try folder.live.exists(liveID) else { return }
        let currentID = try folder.currentLiveID()
        guard currentID != liveID, try folder.origin(of: currentID)?.previous != liveID else { return }
        try folder.fence.check(attempt.fence)
        try folder.live.moveToTrash(liveID)
        try folder.live.unlink(Names.record(liveID))
    }

    /// Builds the new tree, complete and durable, before anybody is frozen.
    private func stageLive(_ manifest: SnapshotManifest) throws -> LiveOrigin {
        let treeClone = try TreeClone(
            of: TreeClone.Place(folder: folder.snapshots, name: snapshotID), as: .live,
            TreeClone.Place(folder: folder.live, name: staging.tree), op: "set_current", attempt: attempt,
            context: context)
        try treeClone.prepare()
        let counted = try treeClone.run(entries: manifest.entries)
        let clone = try treeClone.complete(
            counted ?? CloneSummary(entries: Int(clamping: manifest.entries), bytes: Int64(clamping: manifest.bytes)))
        Failpoint.hit("executor.set.after_clone")
        let origin = LiveOrigin(
            liveID: liveID, snapshotID: snapshotID, previous: try folder.currentLiveID(), taskID: attempt.taskID,
            requestID: attempt.requestID, fence: attempt.fence, engine: clone.engine,
            createdAt: Timestamp.now.description)
        try staging.createRecord(origin, owner: context.settings.control)
        try folder.root.makeLink(link, to: path)
        attempt.progress.enter(.syncing)
        if !treeClone.isDurable { try staging.sync(attempt.cancellation) }
        Failpoint.hit("executor.set.after_sync")
        return origin
    }

    /// Moves `current` while the agents stand still: the commit point. Everything exists by now, so that only a look at the
    /// fence and three renames happen within the freeze.
    private func switchCurrent() throws -> ReceiptRecord? {
        let freezing = AgentFreeze(attempt: attempt, context: context, folder: folder, op: "set_current")
        let receipt = try freezing.switching(to: path) {
            Failpoint.hit("executor.set.after_freeze")
            attempt.progress.enter(.switching)
            try attempt.cancellation.check()
            let start = MonotonicTime.now
            try staging.publish(folder.fence)
            Failpoint.hit("executor.set.after_publish")
            try OutcomeUnknown.guarding { try folder.root.rename(link, to: WorkspaceFolder.currentName) }
            context.metrics.switchDuration.observe(MonotonicTime.now - start)
        }
        Failpoint.hit("executor.set.after_resume")
        return receipt.map(ReceiptRecord.init)
    }

    private func conclude(_ origin: LiveOrigin, _ receipt: ReceiptRecord?) throws -> TaskResult {
        try folder.live.sync()
        try folder.root.sync()
        if let receipt { record(receipt, in: origin) }
        LiveRetention(folder: folder, keep: context.settings.liveRetention, logger: attempt.logger).apply()
        context.trash.collect(.live(wsid: attempt.wsid))
        return result(path: path, noop: false, receipt: receipt)
    }

    /// For a repeated call, which answers from the tree. The switch stands whether or not this succeeds.
    private func record(_ receipt: ReceiptRecord, in origin: LiveOrigin) {
        var origin = origin
        origin.receipt = receipt
        do {
            try staging.createRecord(origin, owner: context.settings.control)
            try staging.replaceRecord()
        } catch {
            attempt.logger.warn("receipt not recorded", [.liveID: .text(liveID), .error: LogValue(error)])
        }
    }

    private func result(path: String, noop: Bool, receipt: ReceiptRecord?) -> TaskResult {
        .setCurrent(
            SetCurrentResult(
                currentSnapshotID: snapshotID, currentPath: path, noop: noop, receipt: receipt?.message))
    }
}
