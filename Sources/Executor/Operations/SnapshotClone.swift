import Quiesce
import RuntimeCore

/// The clone of a live tree for a snapshot: in two phases where that is safe and pays, else at once (design 8).
struct SnapshotClone {
    let treeClone: TreeClone
    let staging: Staging
    let attempt: Attempt
    let context: OperationContext

    /// What can be done while the agents work; nil where nothing can.
    func begin(_ freezing: AgentFreeze) throws -> TreeClone.FirstPhase? {
        guard context.settings.clonePhases == 2, try freezing.isByCgroup() else { return nil }
        return try treeClone.begin()
    }

    /// The rest, while they stand still.
    func finish(_ first: TreeClone.FirstPhase?, _ freeze: Freeze) throws -> CloneSummary? {
        guard let first else { return try treeClone.run() }
        let openFiles = freeze.openFiles
        if let reason = Self.obstacle(first.clone, openFiles, freeze.acknowledgements.values) {
            attempt.logger.info(
                "cloned whole", [.reason: .text(reason), .doubtful: .integer(Int64(first.clone.doubtful))])
            try staging.folder.moveToTrash(staging.tree)
            return try treeClone.run()
        }
        return try treeClone.finish(
            first, openFiles: Set(openFiles.files.map(\.inode)),
            trash: StagedName.trashPrefix + "\(staging.id)-\(staging.fence)-old")
    }

    /// Why a first phase is of no use; nil where it is.
    static func obstacle(
        _ clone: any TwoPhaseClone, _ openFiles: OpenFiles, _ acknowledgements: some Sequence<Acknowledgement>
    ) -> String? {
        // Else a process may go on writing, or may have written, without our knowing to what.
        guard acknowledgements.allSatisfy({ $0.method.mayBeQuiesced && $0.consistency == .quiesced }) else {
            return "the freeze is best effort"
        }
        guard openFiles.complete else { return "the list of open files is not complete" }
        // To replace an entry takes longer than to make one. Of few it does not matter.
        let expected = clone.doubtful + openFiles.files.count
        guard expected <= 1000 || expected * 4 <= clone.entries * 3 else {
            return "the second phase would exceed a full clone"
        }
        return nil
    }
}
