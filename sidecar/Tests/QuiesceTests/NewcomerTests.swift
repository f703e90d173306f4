import RuntimeCore
import Testing

@testable import Quiesce

/// A sandbox that comes at the very moment at which others are being frozen: `sidecar/model/newcomer.pml` has every order.
@Suite struct NewcomerTests {
    private let now = MonotonicTime.now

    private func entry(_ id: String) -> RegistrationFolder.Entry { .init(id: id, isLiving: true, registration: nil) }

    private func acknowledgement(held: Bool? = nil) -> Acknowledgement {
        Acknowledgement(
            nonce: "n", method: .cgroup2, consistency: .quiesced, processes: 1, threads: 1, flushedFiles: 0,
            freezeMicroseconds: 0, flushMicroseconds: 0, frozenAt: .now, held: held)
    }

    private func machine() -> CoordinatorMachine {
        var machine = CoordinatorMachine(
            .init(
                epoch: 1, taskID: "task", executor: "executor", lease: .seconds(10), policy: FreezePolicy(),
                isOnNetwork: false), everAttached: true, timeout: .seconds(30), now: now)
        machine.attached([entry("one")])
        return machine
    }

    private func frozen(_ machine: inout CoordinatorMachine) throws -> ControlDocument {
        let request = machine.edit(.absent, now: now)
        var document = try #require(request)
        document.state = .frozen
        document.acknowledgements["one"] = acknowledgement()
        return document
    }

    @Test func `whoever registered between the look and the request is found before the tree is read`() throws {
        var machine = machine()
        let document = try frozen(&machine)
        let look = machine.observe(.document(document), now: now)
        #expect(look == .look)
        machine.attached([entry("one"), entry("two")])
        let due = machine.observe(.document(document), now: now)
        #expect(due == .write)
        let written = machine.edit(.document(document), now: now)
        let next = try #require(written)
        #expect(next.state == .requestFreeze)
        #expect(next.expects == ["one", "two"])
        #expect(next.leaseSequence > document.leaseSequence)
    }

    @Test func `a look from before FROZEN does not count`() throws {
        var machine = machine()
        let document = try frozen(&machine)
        machine.attached([entry("one")])
        let look = machine.observe(.document(document), now: now)
        #expect(look == .look)
        machine.attached([entry("one")])
        let accepted = machine.observe(.document(document), now: now)
        #expect(accepted == .frozen)
    }

    @Test func `no agent is started beside a request that was written while its sidecar registered`() {
        let request = ControlDocument(
            state: .requestFreeze, epoch: 1, leaseMilliseconds: 10_000, executor: "executor", expects: ["one"])
        var newcomer = ParticipantMachine(id: "two")
        _ = newcomer.handle(.read(.document(ControlDocument()), at: now))
        newcomer.registered(.document(request), at: now)
        _ = newcomer.handle(.read(.document(request), at: now))
        #expect(!newcomer.mayStartAgent)

        var asked = request
        asked.expects = ["one", "two"]
        asked.leaseSequence += 1
        var expected = newcomer
        let action = expected.handle(.read(.document(asked), at: now))
        #expect(action == .arm(epoch: 1, deadline: now + .seconds(10)))

        var over = request
        over.state = .running
        _ = newcomer.handle(.read(.document(over), at: now))
        #expect(newcomer.mayStartAgent)
    }

    @Test func `a request that expects a sidecar as soon as it is registered is obeyed at once`() {
        let request = ControlDocument(
            state: .requestFreeze, epoch: 1, leaseMilliseconds: 10_000, executor: "executor", expects: ["two"])
        var newcomer = ParticipantMachine(id: "two")
        _ = newcomer.handle(.read(.document(ControlDocument()), at: now))
        newcomer.registered(.document(request), at: now)
        let action = newcomer.handle(.read(.document(request), at: now))
        #expect(action == .arm(epoch: 1, deadline: now + .seconds(10)))
    }

    @Test func `a resume that somebody keeps undoing ends at its deadline`() throws {
        var machine = machine()
        let document = try frozen(&machine)
        let look = machine.observe(.document(document), now: now)
        #expect(look == .look)
        machine.attached([entry("one")])
        let accepted = machine.observe(.document(document), now: now)
        #expect(accepted == .frozen)
        machine.resume(expectCurrent: nil, timeout: .seconds(1), now: now)
        _ = machine.edit(.document(document), now: now)
        let due = machine.observe(.document(document), now: now)
        #expect(due == .write)
        let torn = machine.observe(.invalid("torn"), now: now)
        #expect(torn == .write)
        let late = now + .seconds(1)
        let silence = CoordinatorMachine.Step.failed(.broken("no answer to the resume: one"))
        let undone = machine.observe(.document(document), now: late)
        #expect(undone == silence)
        let unreadable = machine.observe(.invalid("torn"), now: late)
        #expect(unreadable == silence)
    }

    @Test func `a read that hangs does not keep an agent frozen once its task is cancelled`() throws {
        let executor = try Executor()
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze(lease: .milliseconds(400))
        #expect(sidecar.agent.isFrozen)
        executor.cancellation.cancel()
        // Neither resumed nor abandoned.
        #expect(eventually { !sidecar.agent.isFrozen })
        withExtendedLifetime(freeze) {}
    }
}
