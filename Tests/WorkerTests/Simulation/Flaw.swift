/// A decision broken on purpose, to see that the simulation finds it.
enum Flaw: String, CaseIterable, Sendable {
    /// `Attempt`: an unknown outcome is taken for a failure.
    case unknownIsFailure
    /// `Attempt`: what settling found published is failed all the same.
    case settlingIsFailure
    /// `Conclusion`: a requested cancellation counts more than a publication.
    case cancelBeatsPublication
    /// `Attempt`: a fenced call is repeated under the same fence.
    case fencedIsRepeated
    /// Claim: a later task may go before an earlier one that waits for its retry.
    case claimOutOfOrder
    /// Take-over: the old fence is kept.
    case takeOverWithoutFence
    /// Finish: whoever holds the task may end it, under any fence.
    case finishUnderAnyFence
    /// Finish: zero rows updated is not noticed.
    case endsTwice
    /// Drop: what needs the snapshot is not asked for.
    case dropRegardless
    /// Disable: looks for tasks before it has locked the workspace.
    case disableWithoutLock
    /// Executor: publishes although a higher fence is known.
    case publishUnderAnyFence
    /// Nobody takes over what a lost worker left.
    case neverReap
}
