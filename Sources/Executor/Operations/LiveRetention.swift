import RuntimeCore

/// Removes live trees that came before `current`, except the nearest ones: processes may still stand in those.
///
/// Goes by the records alone, each of which names its predecessor. A tree that no record leads to is never touched.
struct LiveRetention {
    let folder: WorkspaceFolder
    /// Generations kept besides the current one.
    let keep: Int
    /// Of the attempt that has just switched.
    let fence: UInt64
    let logger: Logger

    /// Never fails the task that calls it: what stays is found again after the next switch.
    func apply() {
        do {
            // Oldest first, tree before record: where this ends halfway, the records still lead to what is left.
            let predecessors = try folder.predecessors()
            for liveID in predecessors.dropFirst(keep).reversed() {
                try folder.live.moveToTrash(liveID)
                try folder.live.unlink(Names.record(liveID))
            }
            try removeReservedNames(besides: predecessors)
        } catch {
            logger.warn("previous live trees not removed", [.error: LogValue(error)])
        }
    }

    /// Records whose tree an attempt of their task took away, and which kept the name from being used again. None of those tasks makes
    /// another tree: this one has switched, and the earlier ones have ended.
    private func removeReservedNames(besides predecessors: [String]) throws {
        for id in try folder.live.liveIDsWithoutTree() where !predecessors.contains(id) {
            if let origin = try folder.origin(of: id), origin.fence < fence {
                try folder.live.unlink(Names.record(id))
            }
        }
    }
}
