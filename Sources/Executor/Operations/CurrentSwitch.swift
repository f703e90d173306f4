import ExecutorRPC
import Quiesce
private import Runtime
import RuntimeCore

/// set_current: clone the snapshot while the agent works, then freeze it only for the moment in which `current` moves.
struct CurrentSwitch: WorkspaceOperation {
    let snapshotID: String
    let liveID: String
    let discard: Bool
    let attempt: Attempt
    let context: OperationContext
    let folder: WorkspaceFolder

    private var link: String { StagedName.link(fence: attempt.fence).text }

    /// `current` decides, never the database: it points at this task's tree, or at one that came from the same snapshot.
    func published() throws -> TaskResult? {
        let currentID = try folder.currentLiveID()
        let origin = readOrigin(of: currentID)
        if currentID == liveID || origin?.requestedID == liveID {
            // Whoever switched may have died before this.
            try OutcomeUnknown.guarding { try folder.root.sync() }
            return result(currentID, noop: false, receipt: origin?.receipt)
        }
        guard !discard, origin?.snapshotID == snapshotID else { return nil }
        return result(currentID, noop: true, receipt: nil)
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
        let staging = Staging(folder: folder.live, id: try freeID(), fence: attempt.fence)
        do {
            let origin = try stageLive(manifest, staging)
            let receipt = try switchCurrent(staging)
            return try OutcomeUnknown.guarding { try conclude(origin, receipt, staging) }
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

    /// Live trees whose attempts died just before they became current.
    func removeRemains() throws {
        let currentID = try folder.currentLiveID()
        let remains = try folder.live.liveIDs().filter { id in
            id != currentID && (id == liveID || readOrigin(of: id)?.requestedID == liveID)
        }
        guard !remains.isEmpty else { return }
        // One that once was current is no such thing: the database has been set back to before this task.
        let predecessors = try folder.predecessors()
        for id in remains where !predecessors.contains(id) {
            try folder.fence.check(attempt.fence)
            Failpoint.hit("executor.set.before_remains")
            try folder.live.moveToTrash(id)
            // The record of the id that was asked for stays, and keeps it from being used again: who is stopped here would otherwise
            // take the tree of a later attempt away. `LiveRetention` removes it once the task has ended.
            if id != liveID { try folder.live.unlink(Names.record(id)) }
        }
    }

    /// The id that was asked for; another one where that is a predecessor of `current`, in which processes may still stand.
    private func freeID() throws -> String {
        let isTaken = try folder.live.exists(liveID) || folder.live.exists(Names.record(liveID))
        return isTaken ? UUIDv7.make() : liveID
    }

    /// Builds the new tree, complete and durable, before anybody is frozen.
    private func stageLive(_ manifest: SnapshotManifest, _ staging: Staging) throws -> LiveOrigin {
        let treeClone = try TreeClone(
            of: TreeClone.Place(folder: folder.snapshots, name: snapshotID), as: .live,
            TreeClone.Place(folder: folder.live, name: staging.tree), op: "set_current", attempt: attempt,
            context: context)
        try treeClone.prepare()
        let counted = try treeClone.run(entries: manifest.entries)
        let clone = try treeClone.complete(
            counted ?? CloneSummary(entries: Int(clamping: manifest.entries), bytes: Int64(clamping: manifest.bytes)))
        Failpoint.hit("executor.set.after_clone")
        let origin = try origin(of: staging.id, engine: clone.engine)
        try staging.createRecord(origin, owner: context.settings.control)
        try folder.root.makeLink(link, to: WorkspaceFolder.path(ofLive: staging.id))
        attempt.progress.enter(.syncing)
        if !treeClone.isDurable { try staging.sync(attempt.cancellation) }
        Failpoint.hit("executor.set.after_sync")
        return origin
    }

    private func origin(of id: String, engine: String) throws -> LiveOrigin {
        let previous = try folder.currentLiveID()
        return LiveOrigin(
            liveID: id, snapshotID: snapshotID, previous: previous, requestedID: id == liveID ? nil : liveID,
            first: readOrigin(of: previous)?.beginning, taskID: attempt.taskID, requestID: attempt.requestID,
            fence: attempt.fence, engine: engine, createdAt: Timestamp.now.description)
    }

    /// Moves `current` while the agents stand still: the commit point. Everything exists by now, so that only a look at the
    /// fence and three renames happen within the freeze.
    private func switchCurrent(_ staging: Staging) throws -> ReceiptRecord? {
        let freezing = AgentFreeze(attempt: attempt, context: context, folder: folder, op: "set_current")
        let receipt = try freezing.switching(to: WorkspaceFolder.path(ofLive: staging.id)) { freeze in
            Failpoint.hit("executor.set.after_freeze")
            attempt.progress.enter(.switching)
            try attempt.cancellation.check()
            let start = MonotonicTime.now
            try freeze.check()
            try staging.publish(folder.fence)
            Failpoint.hit("executor.set.after_publish")
            try OutcomeUnknown.guarding { try folder.root.rename(link, to: WorkspaceFolder.currentName) }
            context.metrics.switchDuration.observe(MonotonicTime.now - start)
        }
        Failpoint.hit("executor.set.after_resume")
        return receipt.map(ReceiptRecord.init)
    }

    private func conclude(_ origin: LiveOrigin, _ receipt: ReceiptRecord?, _ staging: Staging) throws -> TaskResult {
        try folder.live.sync()
        try folder.root.sync()
        if let receipt { record(receipt, in: origin, staging) }
        LiveRetention(
            folder: folder, keep: context.settings.liveRetention, fence: attempt.fence, logger: attempt.logger
        ).apply()
        context.trash.collect(.live(wsid: attempt.wsid))
        return result(staging.id, noop: false, receipt: receipt)
    }

    /// For a repeated call, which answers from the tree. The switch stands whether or not this succeeds.
    private func record(_ receipt: ReceiptRecord, in origin: LiveOrigin, _ staging: Staging) {
        var origin = origin
        origin.receipt = receipt
        do {
            try staging.createRecord(origin, owner: context.settings.control)
            try staging.replaceRecord()
        } catch {
            attempt.logger.warn("receipt not recorded", [.liveID: .text(staging.id), .error: LogValue(error)])
        }
    }

    private func result(_ currentID: String, noop: Bool, receipt: ReceiptRecord?) -> TaskResult {
        .setCurrent(
            SetCurrentResult(
                currentSnapshotID: snapshotID, currentPath: WorkspaceFolder.path(ofLive: currentID), noop: noop,
                receipt: receipt?.message))
    }
}
