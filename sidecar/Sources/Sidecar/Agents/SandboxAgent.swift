import Freezer
private import Glibc
import Quiesce
import RuntimeCore

/// The agent of this sandbox as the protocol sees it: a freezer, a guardian and the flush between them.
final class SandboxAgent: FrozenAgent {
    /// `current` has moved during a freeze.
    struct Switch {
        /// As the link's target has it, for example `live/<id>`.
        let oldTree: String
        /// Who was seen there after the thaw.
        let standing: [Holder]
    }

    private let freezer: any Freezer
    private let workspace: Workspace
    private let lookout: Lookout
    /// Through whose root `current` is looked at.
    private let process: () -> ProcessID?
    /// Who of a dead predecessor's agent is not among the frozen.
    private let survivor: (Set<ProcessID>) -> String?
    private let logger: Logger
    private var barrier = FlushBarrier()
    private var guardian: Guardian
    /// Who was seen to write just before the last freeze, and did not belong to the agent.
    private var outsiderBefore: Holder?
    private var frozen: [ProcessID] = []
    /// Everybody who is frozen is in `frozen`.
    private var isFrozenListed = true
    /// Whom the last freeze held.
    private var thawed: [ProcessID] = []
    /// Where `current` pointed when it was last looked at.
    private var tree: String?
    private var seenTarget: String?
    private var pendingSwitch: Switch?
    /// What a look at the old tree has found that nobody has asked for yet.
    private var leftBehind: [Int32]?

    init(
        freezer: any Freezer, guardian: Guardian, workspace: Workspace, lookout: Lookout,
        process: @escaping () -> ProcessID?, survivor: @escaping (Set<ProcessID>) -> String?, logger: Logger
    ) {
        #if FAILPOINTS
            self.freezer = UnsafeFreezer.replacing(freezer)
        #else
            self.freezer = freezer
        #endif
        self.guardian = guardian
        self.workspace = workspace
        self.lookout = lookout
        self.process = process
        self.survivor = survivor
        self.logger = logger
        tree = workspace.current()
    }

    var method: FreezeMethod {
        switch freezer.method {
        case .cgroup2: .cgroup2
        case .cgroup1: .cgroup1
        case .sigstop: .sigstop
        }
    }

    func armLease(epoch: UInt64, until deadline: MonotonicTime) throws(AgentError) {
        do {
            try look()
            try guardian.arm(until: deadline)
        } catch let error as AgentError {
            throw error
        } catch {
            throw AgentError(String(describing: error))
        }
    }

    /// Looks at every process before anything stands still, so that the look while it does is short.
    func look() throws {
        try lookout.renew(workspace)
        if let writeback = lookout.writeback { throw AgentError(writeback) }
        let members = try freezer.population().processes
        if let objection = lookout.objection(to: members) { throw AgentError(objection) }
        if let pinned = try lookout.files?.pinnedMount(seenBy: members) { throw AgentError(pinned.refusal) }
        guard let writers = lookout.writers else { return }
        let known = lookout.own.union(members)
        // The agent goes on, and bears children.
        let isInside = { [freezer] in freezer.contains($0) || !ProcessTable.isLiving($0) }
        outsiderBefore = try writers.first(except: known, unless: isInside)
        // Who has run during that look would have to be looked at while everybody stands still.
        if writers.lookedAt > 0 { outsiderBefore = try writers.first(except: known, unless: isInside) }
    }

    func extendLease(until deadline: MonotonicTime) -> Bool { guardian.extend(until: deadline) }

    private func hasStoodStill() -> Bool {
        do {
            if try freezer.hasStoodStill() { return true }
            logger.warn("the agent was let run by somebody else while it was to stand still")
        } catch {
            logger.warn("nobody can tell whether the agent has stood still", [.error: LogValue(error)])
        }
        return false
    }

    func freeze(deadline: MonotonicTime) throws(AgentError) -> FreezeReport {
        do throws(FreezerError) {
            try freezer.freeze(until: deadline)
            Failpoint.hit("sidecar.frozen")
            // A sidecar that was itself stopped on the way may have frozen what the guardian had just let go.
            let question = guardian.probe()
            let population = try freezer.population()
            guard guardian.confirms(question) else {
                throw FreezerError(.guardian, "the lease ended before the agent stood still")
            }
            frozen = population.processes
            isFrozenListed = population.doubt == nil
            return FreezeReport(
                method: method, processes: population.processes.count, threads: population.threads,
                doubt: population.doubt ?? (freezer.method == .sigstop ? "a SIGSTOP sweep can miss a process" : nil))
        } catch {
            thaw()
            throw AgentError(error.description)
        }
    }

    func flush(deadline: MonotonicTime, forSwitch: Bool, stillWanted: () -> Bool) throws(AgentError) -> FlushReport {
        do throws(FreezerError) {
            // `armLease` came before and has set it.
            guard let files = lookout.files else { throw FreezerError(.flush, "nothing was frozen") }
            #if FAILPOINTS
                let outcome =
                    UnsafeFlush.isAsked
                    ? FlushBarrier.Outcome.nothing : try barrier.flush(frozen, of: files, stillWanted: stillWanted)
            #else
                let outcome = try barrier.flush(frozen, of: files, stillWanted: stillWanted)
            #endif
            // Whoever was killed while frozen hands its data over as it ends: until then the set does not stand still.
            if !files.isLocal { try freezer.freeze(until: deadline) }
            guard hasStoodStill() else {
                throw FreezerError(.notFrozen, "the agent did not stand still while it was flushed")
            }
            Failpoint.hit("sidecar.flushed")
            let outsider = try outsider(forSwitch: forSwitch)
            let held = outcome.files.map {
                OpenFiles.File(inode: $0.identity.inode, path: $0.path, flushed: $0.isFlushed)
            }
            return FlushReport(
                flushedFiles: outcome.flushedCount,
                openFiles: OpenFiles(complete: outcome.isComplete && isFrozenListed, files: held),
                doubt: outcome.shortfall ?? outsider ?? survivor(Set(frozen)))
        } catch {
            throw AgentError(error.description)
        }
    }

    /// Who may write although everyone else stands still. As late as can be: this is what FROZEN says. Where nothing is read
    /// meanwhile the agent need not wait for that.
    private func outsider(forSwitch: Bool) throws(FreezerError) -> String? {
        if ProcessTable.hidesOthers { return "processes of other users are hidden from this sidecar" }
        let found = forSwitch ? outsiderBefore : try lookout.writers?.first(except: lookout.own.union(frozen))
        return found.map { "outside the frozen set, \($0)" }
    }

    func thaw() { _ = letRun() }

    func release() -> Bool {
        let isStill = hasStoodStill()
        let question = letRun()
        // Meanwhile the guardian answers.
        leftBehind = lookAtOldTree()
        return guardian.confirms(question) && isStill
    }

    private func letRun() -> Guardian.Question {
        freezer.thaw()
        let question = guardian.disarm()
        if !frozen.isEmpty { thawed = frozen }
        frozen = []
        return question
    }

    func sees(current target: String) -> Bool {
        let isSeen = workspace.isCurrent(target, seenBy: process() ?? frozen.first, of: lookout.files)
        if isSeen { seenTarget = target }
        return isSeen
    }

    func leftInOldTree() -> [Int32] {
        defer { leftBehind = nil }
        return leftBehind ?? lookAtOldTree()
    }

    private func lookAtOldTree() -> [Int32] {
        guard let present = seenTarget ?? workspace.current() else { return [] }
        seenTarget = nil
        let before = tree
        tree = present
        guard let before, before != present, let files = lookout.files else { return [] }
        let standing = WorkspaceHolders.standing(in: before, of: files, among: thawed, lookout.tables)
        pendingSwitch = Switch(oldTree: before, standing: standing)
        logger.info(
            "current has moved", [.path: LogValue(before), .count: .integer(Int64(standing.count))])
        // More than this many lines help nobody.
        for holder in standing.prefix(100) {
            logger.warn(
                "a process stands in the old tree", [.pid: LogValue(holder.process), .detail: LogValue(holder)])
        }
        return standing.map(\.process)
    }

    /// The switch that the last freeze brought; nil for none, and when asked again.
    func takeSwitch() -> Switch? {
        defer { pendingSwitch = nil }
        return pendingSwitch
    }
}
