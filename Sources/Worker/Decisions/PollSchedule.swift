/// How long to wait for the next look at the queue when nobody calls. Notifications make it needless; it is there for those that
/// got lost.
struct PollSchedule {
    let interval: Duration
    let idleBackoff: Duration

    /// - Parameters:
    ///   - found: whether the last look found work.
    ///   - nextRetry: when a failed task is due again; nil if none waits.
    func delay(found: Bool, nextRetry: Duration?) -> Duration {
        if found { return interval }
        return min(idleBackoff, nextRetry ?? idleBackoff)
    }
}
