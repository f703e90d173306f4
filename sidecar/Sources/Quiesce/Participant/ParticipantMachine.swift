import RuntimeCore

/// The decisions of a sidecar, without any I/O: what was read or done goes in, the next thing to do comes out.
///
/// The order of actions is the protocol's safety, so it is decided here and nowhere else: the lease is armed before anything is
/// frozen, nothing is acknowledged before it is frozen and flushed, the thaw comes after the resume was read, and before any
/// question or write.
struct ParticipantMachine {
    enum Action: Equatable {
        /// Nothing more for now.
        case rest
        case arm(epoch: UInt64, deadline: MonotonicTime)
        case freeze(deadline: MonotonicTime)
        /// - forSwitch: nothing will be read while the agent stands still.
        case flush(deadline: MonotonicTime, forSwitch: Bool)
        case extend(MonotonicTime)
        /// Thaw, and see whether the agent has stood still until then.
        case release
        case thaw
        case lookAtCurrent(String)
        /// Put the answer into the document, as `edit` says.
        case acknowledge
    }

    enum Event {
        /// - at: taken before the file was opened: what was renewed afterwards can not have been seen.
        case read(Reading, at: MonotonicTime)
        case armed
        case frozen(FreezeReport, microseconds: Int64, at: Timestamp)
        case flushed(FlushReport, microseconds: Int64, nonce: String, at: MonotonicTime)
        case failed(AgentError)
        case extended(Bool)
        case released(held: Bool, oldTree: [Int32])
        case current(isSeen: Bool, at: MonotonicTime)
        case thawed(oldTree: [Int32])
        case acknowledged
    }

    enum Phase: Equatable {
        case idle
        /// Being frozen and flushed.
        case freezing
        case frozen
        /// The resume was read; being thawed.
        case releasing
        case awaitingSwitch(String)
        /// Being thawed, without regard to what becomes of it.
        case thawing
    }

    let id: String
    private(set) var phase = Phase.idle
    /// The epoch last acted in; nothing is ever frozen twice in one epoch.
    private(set) var epoch: UInt64 = 0
    /// What must stand in the document for this epoch, until a higher one comes.
    private(set) var acknowledgement: Acknowledgement?
    private(set) var error: String?
    /// Why the acknowledgement is only `best_effort`, beside its method.
    private(set) var doubt: String?
    /// What others had under way when this participant came.
    private(set) var found: Found?

    private var isFirstRead = true
    private var lease = Lease()
    /// The request said where `current` is to move.
    private(set) var isForSwitch = false
    private var report: (freeze: FreezeReport, microseconds: Int64, at: Timestamp)?

    struct Found: Equatable {
        var epoch: UInt64
        var leaseSequence: UInt64
        /// When it was first seen like this.
        var since: MonotonicTime
        /// How long its executor may stay silent and still be alive.
        var patience: Duration
        /// It stayed silent for longer.
        var isAbandoned = false
    }

    private struct Lease {
        var length = Duration.zero
        var sequence: UInt64 = 0
        /// The last look at which `lease_seq` had not moved yet: a renewal found later is not older than this.
        var lastSeenUnmoved = MonotonicTime(nanoseconds: 0)
        var deadline = MonotonicTime(nanoseconds: 0)
    }

    init(id: String) { self.id = id }

    var deadline: MonotonicTime? { phase == .idle ? nil : lease.deadline }

    /// False while a freeze is under way that this participant came too late for: an agent started now would write into it.
    var mayStartAgent: Bool { phase == .idle && !isFirstRead && found?.isAbandoned ?? true }

    mutating func handle(_ event: Event) -> Action {
        switch event {
        case .read(let reading, let time): return read(reading, at: time)
        case .armed: return .freeze(deadline: lease.deadline)
        case .frozen(let freeze, let microseconds, let time):
            report = (freeze, microseconds, time)
            return .flush(deadline: lease.deadline, forSwitch: isForSwitch)
        case .flushed(let flush, let microseconds, let nonce, let time):
            return flushed(flush, microseconds: microseconds, nonce: nonce, at: time)
        case .failed(let failure): return fail(failure.description)
        case .extended(let holds): return holds ? .rest : lapse()
        case .released(let hasHeld, let oldTree):
            acknowledgement?.held = hasHeld
            if !hasHeld { error = "the lease lapsed, or somebody else let the agent run, before the resume was read" }
            return thawed(oldTree)
        case .current(let isSeen, let time):
            if isSeen {
                phase = .releasing
                return .release
            }
            guard time >= lease.deadline, case .awaitingSwitch(let target) = phase else { return .rest }
            return fail("current was not seen to be \(target) before the lease ended")
        case .thawed(let oldTree): return thawed(oldTree)
        case .acknowledged: return .rest
        }
    }

    /// The registration is there: whoever looks from now on sees it. Whoever looked before may have asked others meanwhile.
    mutating func registered(_ reading: Reading, at time: MonotonicTime) {
        guard found == nil, reading.document?.expects.contains(id) != true else { return }
        found = Found(reading, since: time)
    }

    /// The document with this participant's answer in it; nil where there is nothing to change.
    func edit(_ reading: Reading) -> ControlDocument? {
        guard let present = reading.document, present.epoch == epoch, present.expects.contains(id),
            acknowledgement != nil || error != nil
        else { return nil }
        let isReleased = present.state == .requestResume || present.state == .running
        // Too late to say "frozen": what is due now is to thaw.
        if isReleased, let acknowledgement, acknowledgement.held == nil { return nil }
        var next = present
        next.acknowledgements[id] = acknowledgement
        next.errors[id] = error
        switch next.state {
        case .requestFreeze where next.isFrozenByAll: next.state = .frozen
        case .requestResume where next.acknowledgements.values.allSatisfy { $0.held != nil }: next.state = .running
        default: break
        }
        return next == present ? nil : next
    }

    /// The sidecar ends: thaws, and says so.
    mutating func leave() -> Action { phase == .idle ? .rest : fail("the sidecar ended") }

    /// Whether something is under way in which this participant has a part, so that it must look again soon.
    func isBusy(with reading: Reading, at time: MonotonicTime) -> Bool {
        if phase != .idle { return true }
        if let found { return !found.isAbandoned }
        // Its answer may yet be overwritten, or be the last but one. An executor that died is not waited for for ever.
        guard let document = reading.document, document.epoch == epoch, document.expects.contains(id) else {
            return false
        }
        return document.state != .running && time < lease.deadline
    }

    // MARK: Reading

    private mutating func read(_ reading: Reading, at time: MonotonicTime) -> Action {
        noteFound(reading, at: time)
        switch phase {
        case .idle: return readIdle(reading, at: time)
        case .freezing: return readFreezing(reading, at: time)
        case .frozen: return readFrozen(reading, at: time)
        case .awaitingSwitch(let target):
            if let document = reading.document, document.epoch > epoch { return abandon() }
            return .lookAtCurrent(target)
        case .releasing, .thawing: return .rest
        }
    }

    private mutating func readIdle(_ reading: Reading, at time: MonotonicTime) -> Action {
        guard let document = reading.document else { return .rest }
        if document.epoch == epoch { return edit(reading) == nil ? .rest : .acknowledge }
        guard document.epoch > epoch, document.state == .requestFreeze, document.expects.contains(id),
            found?.epoch != document.epoch, document.leaseMilliseconds > 0
        else { return .rest }
        epoch = document.epoch
        isForSwitch = document.expectCurrent != nil
        acknowledgement = nil
        error = nil
        let length = Duration.milliseconds(document.leaseMilliseconds)
        lease = Lease(
            length: length, sequence: document.leaseSequence, lastSeenUnmoved: time, deadline: time + length)
        phase = .freezing
        return .arm(epoch: epoch, deadline: lease.deadline)
    }

    /// Between two flushes: whether the freeze is still wanted. `thaw` means that it is not.
    private mutating func readFreezing(_ reading: Reading, at time: MonotonicTime) -> Action {
        if let document = reading.document {
            if document.epoch > epoch { return .thaw }
            let isWanted = document.state == .requestFreeze && document.expects.contains(id)
            if document.epoch == epoch && !isWanted { return .thaw }
        }
        return time >= lease.deadline ? .thaw : renew(reading, at: time)
    }

    private mutating func readFrozen(_ reading: Reading, at time: MonotonicTime) -> Action {
        if let document = reading.document, document.epoch > epoch { return abandon() }
        if let document = reading.document, document.epoch == epoch {
            switch document.state {
            case .requestResume:
                // Held only where the resume knows this very acknowledgement: whoever released without having seen it
                // did not read the tree under it.
                guard document.acknowledgements[id]?.nonce == acknowledgement?.nonce, document.expects.contains(id)
                else { return fail("released without regard to this acknowledgement") }
                if let target = document.expectCurrent {
                    phase = .awaitingSwitch(target)
                    return .lookAtCurrent(target)
                }
                if isForSwitch { return fail("requested for a switch, and released without one") }
                phase = .releasing
                return .release
            case .running: return fail("set running by somebody else")
            case .requestFreeze, .frozen:
                guard document.expects.contains(id) else { return abandon() }
            }
        }
        if time >= lease.deadline { return lapse() }
        let renewal = renew(reading, at: time)
        if renewal != .rest { return renewal }
        return edit(reading) == nil ? .rest : .acknowledge
    }

    /// A later deadline, where the executor has shown that it lives. It counts from the last look that did not show it yet,
    /// so that no agent is frozen longer than one lease after the executor's last sign of life.
    private mutating func renew(_ reading: Reading, at time: MonotonicTime) -> Action {
        guard let document = reading.document, document.epoch == epoch else { return .rest }
        guard document.leaseSequence > lease.sequence else {
            lease.lastSeenUnmoved = time
            return .rest
        }
        let deadline = max(lease.deadline, lease.lastSeenUnmoved + lease.length)
        lease.sequence = document.leaseSequence
        lease.lastSeenUnmoved = time
        guard deadline > lease.deadline else { return .rest }
        lease.deadline = deadline
        return .extend(deadline)
    }

    /// Remembers what was under way before this participant came, until it ends or shows that its executor lives: until then
    /// its request is not obeyed, and no agent is started beside it.
    private mutating func noteFound(_ reading: Reading, at time: MonotonicTime) {
        let isFirst = isFirstRead
        isFirstRead = false
        guard isFirst || found != nil else { return }
        guard let seen = Found(reading, since: time) else { return found = nil }
        guard let found, !isFirst, found.epoch == seen.epoch, found.leaseSequence == seen.leaseSequence else {
            // Its executor lives, or it is another: now a request that names this participant may be obeyed.
            let isForUs =
                !isFirst && reading.document?.state == .requestFreeze
                && reading.document?.expects.contains(id) == true
            return self.found = isForUs ? nil : seen
        }
        if time - found.since > found.patience { self.found?.isAbandoned = true }
    }

    // MARK: Ends

    private mutating func flushed(
        _ flush: FlushReport, microseconds: Int64, nonce: String, at time: MonotonicTime
    ) -> Action {
        guard let report, time < lease.deadline else { return fail("the lease lapsed while files were flushed") }
        let doubt = flush.doubt ?? report.freeze.doubt
        let isQuiesced = report.freeze.method.mayBeQuiesced && doubt == nil
        self.doubt = doubt
        acknowledgement = Acknowledgement(
            nonce: nonce, method: report.freeze.method, consistency: isQuiesced ? .quiesced : .bestEffort,
            processes: report.freeze.processes, threads: report.freeze.threads, flushedFiles: flush.flushedFiles,
            freezeMicroseconds: report.microseconds, flushMicroseconds: microseconds, frozenAt: report.at)
        phase = .frozen
        return .acknowledge
    }

    private mutating func thawed(_ oldTree: [Int32]) -> Action {
        phase = .idle
        acknowledgement?.oldTree = Array(oldTree.prefix(Acknowledgement.oldTreeLimit))
        return acknowledgement == nil && error == nil ? .rest : .acknowledge
    }

    private mutating func lapse() -> Action { fail("the lease lapsed") }

    /// Thaws, and says that this freeze is worth nothing.
    private mutating func fail(_ reason: String) -> Action {
        acknowledgement?.held = false
        error = ControlDocument.errorText(reason)
        phase = .thawing
        return .thaw
    }

    /// Thaws without an answer: nobody waits for one.
    private mutating func abandon() -> Action {
        acknowledgement = nil
        error = nil
        phase = .thawing
        return .thaw
    }
}

extension ParticipantMachine.Found {
    /// Nil where nothing is under way.
    init?(_ reading: Reading, since: MonotonicTime) {
        switch reading {
        case .absent: return nil
        case .document(let document):
            guard document.state != .running else { return nil }
            self.init(
                epoch: document.epoch, leaseSequence: document.leaseSequence, since: since,
                patience: .milliseconds(document.leaseMilliseconds))
        case .invalid:
            // Nothing is known of it but that every lease ends.
            self.init(
                epoch: 0, leaseSequence: 0, since: since,
                patience: .milliseconds(ControlDocument.maximumLeaseMilliseconds))
        }
    }
}

extension ControlDocument {
    /// Everyone expected says that it stands still.
    var isFrozenByAll: Bool {
        !expects.isEmpty
            && expects.allSatisfy { id in
                acknowledgements[id].map { $0.held == nil } ?? false
            } && errors.isEmpty
    }
}
