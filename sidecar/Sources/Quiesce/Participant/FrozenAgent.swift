package import RuntimeCore

/// What `FrozenAgent.freeze` did.
package struct FreezeReport: Equatable, Sendable {
    package var method: FreezeMethod
    package var processes: Int
    package var threads: Int
    /// Why this freeze proves less than `quiesced`; nil where it proves all of it.
    package var doubt: String?

    package init(method: FreezeMethod, processes: Int, threads: Int, doubt: String? = nil) {
        self.method = method
        self.processes = processes
        self.threads = threads
        self.doubt = doubt
    }
}

/// What `FrozenAgent.flush` did.
package struct FlushReport: Equatable, Sendable {
    package var flushedFiles: Int
    package var openFiles: OpenFiles
    /// Why the receipt is only `best_effort`: a file the privileges could not flush, a writer outside the frozen set.
    package var doubt: String?

    package init(flushedFiles: Int, openFiles: OpenFiles, doubt: String? = nil) {
        self.flushedFiles = flushedFiles
        self.openFiles = openFiles
        self.doubt = doubt
    }
}

/// Why an agent could not be frozen or flushed, in words for the operator; names the file or process.
package struct AgentError: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) { self.description = description }
}

/// The agent of one sandbox and the guardian of its lease; all calls come from the thread that steps the participant.
///
/// The order for one freeze: `armLease`, `freeze`, `flush`; then `extendLease` as the executor renews; at the end `release`, or
/// `thaw` where it has failed. The guardian, a process of its own, thaws by itself when the deadline passes or this process dies.
package protocol FrozenAgent: AnyObject {
    /// The best method known beforehand; goes into the registration.
    var method: FreezeMethod { get }

    /// Hands the guardian the thaw handle and the deadline, before anything is frozen.
    func armLease(epoch: UInt64, until deadline: MonotonicTime) throws(AgentError)

    /// Moves the deadline; false where the lease has lapsed or the guardian does not answer. A later deadline never revives a lapsed lease.
    func extendLease(until deadline: MonotonicTime) -> Bool

    /// Returns when no process of the agent can run, and the guardian, asked after that, still holds the lease: it may have
    /// let go of what was not frozen yet. Leaves nothing frozen when it throws.
    func freeze(deadline: MonotonicTime) throws(AgentError) -> FreezeReport

    /// Flushes every regular file of the workspace's file system that the frozen agent holds open for writing or maps
    /// shared and writable. One flush that fails or hangs throws, naming the file.
    ///
    /// - Parameters:
    ///   - forSwitch: nothing is read while the agent stands still, so that for writers outside the frozen set what was seen
    ///     just before will do.
    ///   - stillWanted: to be called between files; false means that the freeze is off: throw.
    func flush(deadline: MonotonicTime, forSwitch: Bool, stillWanted: () -> Bool) throws(AgentError) -> FlushReport

    /// Thaws and disarms the guardian; again does nothing. Never waits for a lock or a write, never fails.
    func thaw()

    /// Thaws as `thaw` does. True only where the agent has stood still until then, and the guardian, asked after that, had not
    /// let it go before. Answers false rather than wait for long; the thaw waits for nothing.
    func release() -> Bool

    /// Who was seen to stand in the tree that `current` has left during this freeze; asked after the thaw, once.
    func leftInOldTree() -> [Int32]

    /// Whether `current`, seen through the agent's root, resolves to `target` (for example `live/<id>`).
    func sees(current target: String) -> Bool
}

extension FrozenAgent {
    package func leftInOldTree() -> [Int32] { [] }
}
