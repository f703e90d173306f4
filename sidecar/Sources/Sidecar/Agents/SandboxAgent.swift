import Freezer
private import Glibc
import Quiesce
import RuntimeCore

/// The agent of this sandbox as the protocol sees it: a freezer, a guardian and the flush between them.
final class SandboxAgent: FrozenAgent {
    private let freezer: any Freezer
    private let workspace: Workspace
    private let logger: Logger
    private var barrier = FlushBarrier()
    private var guardian: Guardian
    private var frozen: [ProcessID] = []
    /// As of the last lease.
    private var files: WorkspaceFiles?
    private var outsider: WorkspaceHolders.Holder?

    /// Through whose root `current` is looked at; the sidecar's own until the agent runs.
    var process: ProcessID?

    init(freezer: any Freezer, guardian: Guardian, workspace: Workspace, logger: Logger) {
        #if FAILPOINTS
            self.freezer = UnsafeFreezer.replacing(freezer)
        #else
            self.freezer = freezer
        #endif
        self.guardian = guardian
        self.workspace = workspace
        self.logger = logger
    }

    var method: FreezeMethod {
        switch freezer.method {
        case .cgroup2: .cgroup2
        case .sigstop: .sigstop
        }
    }

    func armLease(epoch: UInt64, until deadline: MonotonicTime) throws(AgentError) {
        try described { () throws(FreezerError) in
            // Before anything stands still, since it takes a look at every process.
            let files = try workspaceFiles()
            self.files = files
            let members = try freezer.population().processes
            if let pinned = files.pinnedMount(seenBy: members) {
                throw FreezerError(.unavailable, pinned.refusal)
            }
            outsider = try WorkspaceHolders(files).first(
                .writing, except: Set(members + [guardian.pid]), isMember: freezer.contains)
            try guardian.arm(until: deadline)
        }
    }

    func extendLease(until deadline: MonotonicTime) -> Bool { guardian.extend(until: deadline) }

    func leaseHolds() -> Bool { guardian.isHeld() }

    func freeze(deadline: MonotonicTime) throws(AgentError) -> FreezeReport {
        do throws(FreezerError) {
            try freezer.freeze(until: deadline)
            Failpoint.hit("sidecar.frozen")
            // A sidecar that was itself stopped on the way may have frozen what the guardian had just let go.
            guard guardian.isHeld() else {
                throw FreezerError(.guardian, "the lease ended before the agent stood still")
            }
            let population = try freezer.population()
            frozen = population.processes
            return FreezeReport(
                method: method, processes: population.processes.count, threads: population.threads,
                doubt: freezer.method == .sigstop ? "a SIGSTOP sweep can miss a process" : nil)
        } catch {
            thaw()
            throw AgentError(error.description)
        }
    }

    func flush(deadline: MonotonicTime, stillWanted: () -> Bool) throws(AgentError) -> FlushReport {
        let outcome = try described { () throws(FreezerError) in
            // `armLease` came before and has set it.
            guard let files else { throw FreezerError(.flush, "nothing was frozen") }
            #if FAILPOINTS
                if UnsafeFlush.isAsked { return FlushBarrier.Outcome.nothing }
            #endif
            let outcome = try barrier.flush(frozen, of: files, stillWanted: stillWanted)
            // Whoever was killed while frozen hands its data over as it ends: until then the set does not stand still.
            if !files.isLocal { try freezer.freeze(until: deadline) }
            return outcome
        }
        Failpoint.hit("sidecar.flushed")
        let held = outcome.files.map {
            OpenFiles.File(inode: $0.identity.inode, path: $0.path, flushed: $0.isFlushed)
        }
        return FlushReport(
            flushedFiles: outcome.flushedCount,
            openFiles: OpenFiles(complete: outcome.isComplete, files: held),
            doubt: outcome.shortfall ?? outsider.map { "outside the frozen set, \($0)" })
    }

    func thaw() {
        freezer.thaw()
        guardian.disarm()
        frozen = []
    }

    private func workspaceFiles() throws(FreezerError) -> WorkspaceFiles {
        do {
            return try workspace.files()
        } catch {
            throw FreezerError(.flush, "the workspace cannot be examined", cause: error)
        }
    }

    func sees(current target: String) -> Bool { workspace.isCurrent(target, seenBy: process) }
}

private func described<Result>(_ body: () throws(FreezerError) -> Result) throws(AgentError) -> Result {
    do {
        return try body()
    } catch {
        throw AgentError(error.description)
    }
}
