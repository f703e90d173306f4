import RuntimeCore

/// Removes live trees that came before `current`, except the nearest ones: processes may still stand in those.
///
/// Goes by the records alone, each of which names its predecessor. A tree that no record leads to is never touched.
struct LiveRetention {
    let folder: WorkspaceFolder
    /// Generations kept besides the current one.
    let keep: Int
    let logger: Logger

    /// Never fails the task that calls it: what stays is found again after the next switch.
    func apply() {
        do {
            // Oldest first, tree before record: where this ends halfway, the records still lead to what is left.
            for liveID in try folder.predecessors().dropFirst(keep).reversed() {
                try folder.live.moveToTrash(liveID)
                try folder.live.unlink(Names.record(liveID))
            }
        } catch {
            logger.warn("previous live trees not removed", [.error: LogValue(error)])
        }
    }
}
