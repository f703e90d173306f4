import ExecutorRPC
import Quiesce
import RuntimeCore

/// init_workspace: builds the whole folder out of sight, then makes it visible with one rename.
struct WorkspaceCreation {
    private let liveID: String
    private let owner: Ownership
    private let attempt: Attempt
    private let context: OperationContext

    /// Nil for every other operation.
    init?(_ operation: Operation, _ attempt: Attempt, _ context: OperationContext) {
        guard case .initWorkspace(let liveID, let owner) = operation else { return nil }
        self.liveID = liveID
        self.owner = owner.map { Ownership(uid: $0.uid, gid: $0.gid) } ?? context.settings.defaultOwner
        self.attempt = attempt
        self.context = context
    }

    func execute() throws -> TaskResult {
        let mount = try context.mount.open()
        if let result = try adopt(mount, durable: false) { return result }
        let nursery = try takeOver(mount, durable: false)
        // It may have appeared just before its source would have been taken away.
        if let result = try adopt(mount, durable: false) { return result }
        do {
            try build(in: nursery)
            try nursery.publish(fence: attempt.fence)
        } catch let unknown as OutcomeUnknown {
            throw unknown
        } catch {
            attempt.cleanUp { try nursery.place.moveToTrash(nursery.staging(fence: attempt.fence)) }
            context.trash.collect(.nursery(wsid: attempt.wsid))
            throw error
        }
        return try OutcomeUnknown.guarding {
            Failpoint.hit("executor.init.after_publish")
            return try conclude(mount, liveID)
        }
    }

    func settle() throws -> TaskResult? {
        let mount = try context.mount.open()
        if let result = try adopt(mount, durable: true) { return result }
        _ = try takeOver(mount, durable: true)
        return try adopt(mount, durable: true)
    }

    /// Takes over what is there already, if this task made it; nil where nothing is. It may have gone on since: a database that
    /// was set back knows nothing of that.
    private func adopt(_ mount: Directory, durable: Bool) throws -> TaskResult? {
        guard let folder = try WorkspaceFolder(mount: mount, wsid: attempt.wsid) else { return nil }
        if try folder.takeOver(fence: attempt.fence, durable: durable) {
            context.trash.collect(workspace: attempt.wsid)
        }
        let currentID = try folder.currentLiveID()
        guard try currentID == liveID || folder.began(with: liveID) else {
            throw TaskFailure(
                code: .executorError, message: "workspace \(attempt.wsid) exists and is not of this task",
                retryable: false)
        }
        return try OutcomeUnknown.guarding { try conclude(mount, currentID) }
    }

    private func takeOver(_ mount: Directory, durable: Bool) throws -> Nursery {
        // Also where it fails: who comes late, when the workspace is born and its nursery gone, has made a new one.
        defer { context.trash.collect(.nursery(wsid: attempt.wsid)) }
        return try Nursery(
            mount: mount, wsid: attempt.wsid, fence: attempt.fence, durable: durable, owner: context.settings.control)
    }

    private func build(in nursery: Nursery) throws {
        let control = context.settings.control
        let name = nursery.staging(fence: attempt.fence)
        try nursery.place.makeDirectory(name, mode: 0o755, owner: control)
        let root = try nursery.place.open(name)
        let live = try root.openOrMake(WorkspaceFolder.liveName, mode: 0o711, owner: control)
        try context.engines.engine(for: live).makeTree(in: live.raw, liveID)
        try live.setAccess(liveID, mode: 0o755, owner: owner)
        let origin = LiveOrigin(
            liveID: liveID, snapshotID: nil, previous: nil, taskID: attempt.taskID, requestID: attempt.requestID,
            fence: attempt.fence, engine: nil, createdAt: Timestamp.now.description)
        try live.createRecord(Names.record(liveID), origin, owner: control)
        try root.makeDirectory(WorkspaceFolder.snapshotsName, mode: 0o700, owner: control)
        let folder = try root.openOrMake(WorkspaceFolder.controlName, mode: 0o700, owner: control)
        try FenceFile.create(in: folder, fence: attempt.fence, owner: control)
        try withExtendedLifetime(folder) {
            try FreezeCoordinator.prepare(controlDirectory: folder.raw, owner: (control.uid, control.gid))
        }
        try root.makeLink(WorkspaceFolder.currentName, to: WorkspaceFolder.path(ofLive: liveID))
        Failpoint.hit("executor.init.after_build")
        attempt.progress.enter(.syncing)
        try nursery.place.syncTree(name, attempt.cancellation)
        try attempt.cancellation.check()
        attempt.progress.enter(.publishing)
        Failpoint.hit("executor.init.before_publish")
    }

    private func conclude(_ mount: Directory, _ currentID: String) throws -> TaskResult {
        try mount.sync()
        context.trash.collect(.nursery(wsid: attempt.wsid))
        return .initWorkspace(currentPath: WorkspaceFolder.path(ofLive: currentID))
    }
}
