/// How long to wait for the next look at the queue when nobody calls. Notifications make it needless; it is there for those that
/// got lost.
struct PollSchedule {
    /// Whoever holds a lock that a look skipped tells nobody when it lets go; most hold it for one transaction.
    static let lockPause = Duration.milliseconds(20)

    let interval: Duration
    let idleBackoff: Duration

    /// After a look that left slots free.
    ///
    /// - Parameters:
    ///   - found: whether the look found work. There may be more that was locked: the next look asks.
    ///   - nextDue: when there is something to be claimed; nil if nothing waits.
    func delay(found: Bool, nextDue: Duration?) -> Duration {
        if found { return min(interval, PollSchedule.lockPause) }
        return min(idleBackoff, nextDue.map { max($0, PollSchedule.lockPause) } ?? idleBackoff)
    }
}
