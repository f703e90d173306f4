import RuntimeCore

/// The decisions of an executor for one freeze, without any I/O: what was read comes in, the next thing to do goes out.
///
/// What it believes is what it remembers: whom it expects, and which acknowledgements it saw at FROZEN. The document only
/// carries messages; one that was overwritten by a writer without the lock is written again.
struct CoordinatorMachine {
    enum Step: Equatable {
        case wait
        /// Change the document, as `edit` says.
        case write
        /// Look at the registrations, and observe again.
        case look
        /// Everybody stands still: the caller may read.
        case frozen
        /// Everybody has answered the resume.
        case released(Receipt)
        case failed(QuiesceError)
    }

    struct Request {
        let epoch: UInt64
        let taskID: String
        var requestID: String?
        let executor: String
        let lease: Duration
        let policy: FreezePolicy
        let isOnNetwork: Bool
        /// Set where nothing will be read: what `current` will point at.
        var expectCurrent: String?
    }

    enum Phase: Equatable {
        case requesting
        case frozen
        case resuming
        /// Given up: release whoever is frozen, expect nothing.
        case abandoned
    }

    private let request: Request
    private let started: MonotonicTime
    private(set) var phase = Phase.requesting
    /// When the phase's answers must be there.
    private var deadline: MonotonicTime
    /// Whom the request expects; nobody leaves it, but a `node` that is no longer needed.
    private(set) var expects: [String] = []
    /// Every registration seen up to FROZEN, of the living and the dead.
    private var known: Set<String> = []
    /// Whom it has asked, and seen living since.
    private var living: Set<String> = []
    /// Who died without farewell, and may have left an agent that nobody freezes.
    private(set) var departed: [String] = []
    private var leaseSequence: UInt64 = 0
    private var renewed: MonotonicTime
    private var hasAsked = false
    private(set) var everAttached: Bool
    /// As seen at FROZEN; proofs must answer these nonces.
    private(set) var acknowledgements: [String: Acknowledgement] = [:]
    private var expectCurrent: String?
    private var isNewcomerSeen = false
    /// FROZEN stands. Whoever registers from now on reads it, and starts no agent beside it; who came before is in the folder.
    private var isFrozenSeen = false
    private var isLookedAtSince = false
    private var hasResumed = false
    /// Somebody else wrote a resume before this one's last read: who answered it proves nothing.
    private var isReleasedByOthers = false

    init(_ request: Request, everAttached: Bool, timeout: Duration, now: MonotonicTime) {
        self.request = request
        self.everAttached = everAttached
        started = now
        renewed = now
        deadline = now + timeout
    }

    /// When the next step is due, whatever happens.
    var nextDue: MonotonicTime {
        switch phase {
        case .requesting: min(deadline, renewed + request.lease / 3)
        case .frozen: renewed + request.lease / 3
        case .resuming, .abandoned: deadline
        }
    }

    // MARK: Events

    /// The registrations, before the first request and whenever they may have changed.
    mutating func attached(_ entries: [RegistrationFolder.Entry]) {
        if !entries.isEmpty { everAttached = true }
        living = Set(entries.filter(\.isLiving).map(\.id))
        let dead = entries.filter { !$0.isLiving && !$0.isNode }.map(\.id)
        // Whoever takes over before the freeze answers for what the dead one has left; later it is too late.
        departed = phase == .requesting ? dead : Set(departed + dead).sorted()
        isLookedAtSince = isFrozenSeen
        guard phase == .requesting else {
            // An agent that was attached to meanwhile was not frozen. Nobody's `node` has no agent.
            // Whoever comes after the last read does no harm.
            if phase == .frozen, entries.contains(where: { !known.contains($0.id) && !$0.isNode }) {
                isNewcomerSeen = true
            }
            return
        }
        known.formUnion(entries.map(\.id))
        let agents = entries.filter { $0.isLiving && !$0.isNode }.map(\.id)
        let nodes = entries.filter { $0.isLiving && $0.isNode }.map(\.id)
        if !agents.isEmpty { expects.removeAll { id in entries.contains { $0.id == id && $0.isNode } } }
        for id in agents where !expects.contains(id) { expects.append(id) }
        if expects.isEmpty { expects = nodes }
        expects.sort()
    }

    /// What `control.json` says now.
    mutating func observe(_ reading: Reading, now: MonotonicTime) -> Step {
        if let document = reading.document, document.epoch > request.epoch {
            return .failed(.broken("epoch \(document.epoch) has taken over"))
        }
        if let document = reading.document, document.epoch == request.epoch, !hasAsked {
            // Sidecars that have answered in an epoch do not freeze again in it.
            return .failed(.broken("epoch \(document.epoch) was used before"))
        }
        switch phase {
        case .requesting: return observeRequest(ours(reading), now: now)
        case .frozen: return observeFrozen(ours(reading), now: now)
        case .resuming: return observeResume(ours(reading), now: now)
        case .abandoned: return .wait
        }
    }

    /// The caller has read what it wanted; from here on the lease is not renewed.
    mutating func resume(expectCurrent: String?, timeout: Duration, now: MonotonicTime) {
        phase = .resuming
        self.expectCurrent = expectCurrent
        deadline = now + timeout
    }

    mutating func abandon() { phase = .abandoned }

    /// The document that should stand in the file, given what does; nil where nothing is to be changed.
    mutating func edit(_ reading: Reading, now: MonotonicTime) -> ControlDocument? {
        if let document = reading.document {
            guard document.epoch < request.epoch || (document.epoch == request.epoch && hasAsked) else { return nil }
        }
        let present = ours(reading)
        let isReleased = present?.state == .requestResume || present?.state == .running
        // Released by somebody else: `observe` says so, and nothing of ours may look like that resume's.
        if isReleased, phase == .requesting || phase == .frozen { return nil }
        var next = present ?? blank
        switch phase {
        case .requesting:
            next.state = .requestFreeze
            isFrozenSeen = false
            next.expects = expects
            next.acknowledgements = next.acknowledgements.filter { expects.contains($0.key) }
            moveLease(in: &next, now: now)
        case .frozen:
            if present == nil { next.state = .frozen }
            addMissing(to: &next)
            moveLease(in: &next, now: now)
        case .resuming:
            if !hasResumed, isReleased { isReleasedByOthers = true }
            hasResumed = true
            next.state = .requestResume
            next.expectCurrent = expectCurrent
            addMissing(to: &next)
        case .abandoned:
            // Without acknowledgements: nobody can take this for a resume after the last read.
            guard hasAsked, present?.state != .running else { return nil }
            next.state = .requestResume
            next.expectCurrent = nil
            next.acknowledgements = [:]
        }
        hasAsked = true
        return next
    }

    // MARK: Phases

    private mutating func observeRequest(_ document: ControlDocument?, now: MonotonicTime) -> Step {
        guard expects.count <= ControlDocument.maximumSidecars else {
            return .failed(.refused("more than \(ControlDocument.maximumSidecars) sidecars are attached"))
        }
        let missing = expects.filter { document?.acknowledgements[$0] == nil }
        let errors = document?.errors.filter { expects.contains($0.key) } ?? [:]
        let timeout = QuiesceError.timeout(everAttached: everAttached, missing: missing, errors: errors)
        // Whoever has said that it can not, or has died, will not acknowledge in this epoch any more.
        if !errors.isEmpty || (hasAsked && missing.contains { !living.contains($0) }) { return .failed(timeout) }
        if now >= deadline { return .failed(timeout) }
        guard let document else { return .write }
        switch document.state {
        case .requestResume, .running: return .failed(.broken("released by somebody else before it was frozen"))
        case .frozen where document.expects == expects && document.isFrozenByAll:
            if isFrozenSeen && isLookedAtSince { return accept(document) }
            isFrozenSeen = true
            isLookedAtSince = false
            return .look
        case .frozen, .requestFreeze:
            let isDue = now >= renewed + request.lease / 3
            return document.expects != expects || document.leaseSequence < leaseSequence || isDue ? .write : .wait
        }
    }

    private mutating func accept(_ document: ControlDocument) -> Step {
        acknowledgements = document.acknowledgements.filter { expects.contains($0.key) }
        if acknowledgements.values.contains(where: { $0.method == .none }) {
            guard living.union(expects).count == 1 else {
                return .failed(.broken("an unattended workspace has more than one sidecar"))
            }
            guard request.policy.allowUnattended || !request.isOnNetwork else {
                return .failed(.refused("nobody is attached, and on a network file system that proves nothing"))
            }
        }
        guard consistency == .quiesced || !request.policy.requireQuiesced else {
            let reason = departed.first.map { "; sidecar \($0) has died, and its agent may still run" } ?? ""
            return .failed(.refused("the freeze is only best effort, and the settings ask for quiesced\(reason)"))
        }
        phase = .frozen
        return .frozen
    }

    private func observeFrozen(_ document: ControlDocument?, now: MonotonicTime) -> Step {
        if let document {
            if document.state == .requestResume || document.state == .running {
                return .failed(.broken("released by somebody else"))
            }
            if let reason = firstBreach(in: document) { return .failed(.broken(reason)) }
            if acknowledgements.keys.contains(where: { document.acknowledgements[$0]?.held == true }) {
                return .failed(.broken("thawed before the resume"))
            }
        }
        // Whoever was stopped for so long learns it here, even where no sidecar is left to say so.
        if now >= renewed + request.lease { return .failed(.broken("the lease lapsed before it was renewed")) }
        return now >= renewed + request.lease / 3 || document == nil ? .write : .wait
    }

    private func observeResume(_ document: ControlDocument?, now: MonotonicTime) -> Step {
        let receipt = Receipt(
            acknowledgements: acknowledgements.merging(document?.acknowledgements ?? [:]) { seen, now in
                seen.nonce == now.nonce ? now : seen
            }.filter { expects.contains($0.key) },
            errors: document?.errors ?? [:], departed: departed, window: now - started)
        let isSwitch = expectCurrent != nil
        if !isSwitch, isNewcomerSeen { return .failed(.broken("a sandbox was attached while the others were frozen")) }
        if !isSwitch, isReleasedByOthers { return .failed(.broken("released by somebody else")) }
        if !isSwitch, let document, let reason = firstBreach(in: document) { return .failed(.broken(reason)) }
        // Not for ever, whoever it is that keeps undoing it.
        if now < deadline {
            guard let document, document.state != .frozen, document.state != .requestFreeze else { return .write }
        }
        let silent = expects.filter { receipt.acknowledgements[$0]?.held == nil }
        if silent.isEmpty { return .released(receipt) }
        if now >= deadline || silent.contains(where: { !living.contains($0) }) {
            return isSwitch
                ? .released(receipt) : .failed(.broken("no answer to the resume: \(silent.joined(separator: ", "))"))
        }
        return .wait
    }

    /// What proves that a sandbox did not stay frozen.
    private func firstBreach(in document: ControlDocument) -> String? {
        for id in expects {
            if let error = document.errors[id] { return "\(id): \(error)" }
            guard let now = document.acknowledgements[id] else { continue }
            if now.nonce != acknowledgements[id]?.nonce { return "\(id): acknowledged anew" }
            if now.held == false { return "\(id): did not stay frozen" }
        }
        return nil
    }

    // MARK: Documents

    /// The document, where it is of this epoch.
    private func ours(_ reading: Reading) -> ControlDocument? {
        guard let document = reading.document, document.epoch == request.epoch, hasAsked else { return nil }
        return document
    }

    private var blank: ControlDocument {
        ControlDocument(
            epoch: request.epoch, taskID: request.taskID, requestID: request.requestID,
            leaseMilliseconds: request.lease.wholeMilliseconds,
            executor: request.executor, expects: expects, expectCurrent: request.expectCurrent)
    }

    private mutating func moveLease(in document: inout ControlDocument, now: MonotonicTime) {
        if hasAsked { leaseSequence = max(leaseSequence, document.leaseSequence) + 1 }
        document.leaseSequence = leaseSequence
        renewed = now
    }

    /// Puts back acknowledgements that a writer without the lock has dropped.
    private func addMissing(to document: inout ControlDocument) {
        document.acknowledgements.merge(acknowledgements) { present, _ in present }
    }

    var consistency: Consistency {
        Receipt(acknowledgements: acknowledgements, departed: departed).consistency
    }
}
