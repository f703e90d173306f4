import ExecutorRPC

/// One of the kinds of work on a workspace that exists, for one attempt.
protocol WorkspaceOperation {
    /// What the tree itself says is published of this work; nil where it is not. Asked only after a take-over.
    func published() throws -> TaskResult?

    /// Does the work, on a workspace in which nothing of it is published.
    func run() throws -> TaskResult

    /// Takes away what earlier attempts left visible without its being a publication.
    func removeRemains() throws
}

/// Does attempts and settles them: synchronous, on a thread that may block, one at a time for each workspace.
struct WorkspaceOperations: Sendable {
    let context: OperationContext

    /// Throws `OutcomeUnknown` where the work may be published; any other error means that it is not.
    func execute(_ operation: Operation, _ attempt: Attempt) throws -> TaskResult {
        if let creation = WorkspaceCreation(operation, attempt, context) { return try creation.execute() }
        let work = try prepared(operation, attempt, durable: false)
        if let result = try work.published() { return result }
        try work.removeRemains()
        return try work.run()
    }

    /// What attempts with lower fences came to; nil where nothing is published, and never will be by them.
    func settle(_ operation: Operation, _ attempt: Attempt) throws -> TaskResult? {
        if let creation = WorkspaceCreation(operation, attempt, context) { return try creation.settle() }
        let work = try prepared(operation, attempt, durable: true)
        if let result = try work.published() { return result }
        try work.removeRemains()
        context.trash.collect(workspace: attempt.wsid)
        return nil
    }

    /// Takes the workspace over for this attempt.
    private func prepared(_ operation: Operation, _ attempt: Attempt, durable: Bool) throws -> any WorkspaceOperation {
        guard let folder = try WorkspaceFolder(mount: context.mount.open(), wsid: attempt.wsid) else {
            // Retryable: a file system that is not mounted looks the same.
            throw TaskFailure(
                code: .executorError, message: "workspace \(attempt.wsid) is not below \(context.mount.path)",
                retryable: true)
        }
        if try folder.takeOver(fence: attempt.fence, durable: durable) {
            context.trash.collect(workspace: attempt.wsid)
        }
        switch operation {
        case .initWorkspace: preconditionFailure("a workspace is made before it is worked on")
        case .snapshotCreate(let id, let message):
            return SnapshotCreation(
                snapshotID: id, message: message, attempt: attempt, context: context, folder: folder)
        case .snapshotDrop(let id):
            return SnapshotRemoval(snapshotID: id, attempt: attempt, context: context, folder: folder)
        case .setCurrent(let id, let liveID, let discard):
            return CurrentSwitch(
                snapshotID: id, liveID: liveID, discard: discard, attempt: attempt, context: context, folder: folder)
        }
    }
}
