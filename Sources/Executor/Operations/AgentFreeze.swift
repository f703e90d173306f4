import Quiesce
import RuntimeCore

/// Work on a workspace whose agents stand still (design 6).
struct AgentFreeze {
    let attempt: Attempt
    let context: OperationContext
    let folder: WorkspaceFolder
    let op: String

    /// Freezes, runs `body`, thaws. Throws, without a result, where an agent is not proved to have stood still until then:
    /// what `body` read is void.
    func hold<Result>(_ body: (Freeze) throws -> Result) throws -> (Result, Quiesce.Receipt) {
        let freeze = try begin()
        // A failure is resumed like a success: an agent that ran in the meantime explains a file that vanished.
        let work = Swift.Result { try body(freeze) }
        attempt.progress.enter(.releasing)
        do {
            let receipt = try freeze.resume(
                timeout: context.settings.freezeLease, cancellation: attempt.cancellation)
            record(receipt)
            return (try work.get(), receipt)
        } catch let error as QuiesceError {
            attempt.progress.setFrozen(false)
            if case .broken(let reason) = error, case .failure(let cause) = work, !(cause is CancellationError) {
                throw counted(QuiesceError.broken("\(reason); meanwhile: \(cause)"))
            }
            throw counted(error)
        }
    }

    /// Freezes, runs `commit`, and thaws once the agents see that `current` is `target`. After `commit` has returned nothing
    /// here fails any more: the old tree is abandoned whether or not it was held.
    ///
    /// - Parameter commit: asks `Freeze.check` right before the agents could see anything of it: this process may have been
    ///   stopped past the lease.
    /// - Returns: nil where the sidecars' answers could not be had.
    func switching(to target: String, _ commit: (Freeze) throws -> Void) throws -> Quiesce.Receipt? {
        try Urgency.during { try switched(to: target, commit) }
    }

    private func switched(to target: String, _ commit: (Freeze) throws -> Void) throws -> Quiesce.Receipt? {
        let freeze = try begin(expectCurrent: target)
        try releasing(freeze) { try commit(freeze) }
        Failpoint.hit("executor.set.after_switch")
        attempt.progress.enter(.releasing)
        do {
            // Not to be cancelled: it is done, and the agents have to see it.
            let receipt = try freeze.resume(
                expectCurrent: target, timeout: context.settings.freezeLease, cancellation: Cancellation())
            record(receipt)
            if !receipt.isHeld {
                context.metrics.quiesceBroken.add()
                attempt.logger.warn("agent ran before it was told to, in the old tree", [.held: false])
            }
            return receipt
        } catch {
            freeze.abandon()
            attempt.progress.setFrozen(false)
            _ = counted(error)
            attempt.logger.warn("no answer to the thaw after a switch", [.error: LogValue(error)])
            return nil
        }
    }

    /// Whether all who are attached now freeze by cgroup, and somebody is.
    func isByCgroup() throws -> Bool {
        let methods = try coordinator.attachedMethods()
        return !methods.isEmpty && methods.allSatisfy { $0.mayBeQuiesced }
    }

    private var coordinator: FreezeCoordinator {
        let settings = context.settings
        return FreezeCoordinator(
            controlDirectory: folder.control.raw, executorID: settings.executorID,
            policy: FreezePolicy(
                requireQuiesced: settings.requiredConsistency == .quiesced, allowUnattended: settings.allowUnattended),
            logger: attempt.logger)
    }

    private func begin(expectCurrent: String? = nil) throws -> Freeze {
        attempt.progress.enter(.quiescing)
        let settings = context.settings
        let start = MonotonicTime.now
        do {
            let freeze = try coordinator.freeze(
                epoch: attempt.fence, taskID: attempt.taskID, requestID: attempt.requestID,
                expectCurrent: expectCurrent,
                lease: settings.freezeLease, timeout: settings.quiesceTimeout, cancellation: attempt.cancellation)
            context.metrics.quiesceWait.observe(MonotonicTime.now - start)
            attempt.progress.setFrozen(true)
            return freeze
        } catch {
            throw counted(error)
        }
    }

    private func releasing<Result>(_ freeze: Freeze, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            // A freeze that is found broken cancels the work: then that is the cause.
            let cause = error is CancellationError ? breach(of: freeze) ?? error : error
            freeze.abandon()
            attempt.progress.setFrozen(false)
            throw counted(cause)
        }
    }

    private func breach(of freeze: Freeze) -> (any Error)? {
        do {
            try freeze.check()
            return nil
        } catch {
            return error
        }
    }

    private func record(_ receipt: Quiesce.Receipt) {
        attempt.progress.setFrozen(false)
        context.metrics.freezeWindow.observe(receipt.window, op)
        attempt.logger.info(
            "agent stood still",
            [
                .durationMilliseconds: .number(receipt.window.milliseconds), .held: .flag(receipt.isHeld),
                .consistency: .text(receipt.consistency.rawValue),
                .count: .integer(Int64(receipt.acknowledgements.count)),
            ])
    }

    private func counted(_ error: any Error) -> any Error {
        switch error as? QuiesceError {
        case .timeout: context.metrics.quiesceTimeouts.add()
        case .broken: context.metrics.quiesceBroken.add()
        case .refused, .canceled, .io, nil: break
        }
        return error
    }
}
