import Glibc
import RuntimeCore
import Testing

@testable import Quiesce

/// Sidecars that are absent, die, fail or let go.
@Suite struct FailureTests {
    private let executor: Executor

    init() throws { executor = try Executor() }

    @Test func `without a sidecar the request waits for one until the timeout, and says that none ever came`() {
        let error = executor.failure(timeout: .milliseconds(80))
        #expect(error == .timeout(everAttached: false, missing: [], errors: [:]))
        #expect(executor.state == .requestResume)
    }

    @Test func `a workspace that had a sidecar once says so`() throws {
        try SidecarThread(executor.scratch).stop()
        let error = executor.failure(timeout: .milliseconds(80))
        #expect(error == .timeout(everAttached: true, missing: [], errors: [:]))
    }

    @Test func `a sidecar that comes while a request waits is expected, and obeys it`() throws {
        let executor = executor
        let came = Mutex<SidecarThread?>(nil)
        startThread {
            _ = eventually { executor.state == .requestFreeze }
            do {
                let sidecar = try SidecarThread(executor.scratch, id: "late")
                came.withLock { $0 = sidecar }
            } catch {
                Issue.record(error)
            }
        }
        let freeze = try executor.freeze()
        #expect(freeze.acknowledgements.keys.sorted() == ["late"])
        #expect(try executor.resume(freeze).isHeld)
    }

    @Test func `one file that can not be flushed keeps everybody from being frozen, and is named`() throws {
        let failing = FakeAgent()
        failing.state.withLock { $0.flushFailure = "fsync /work/table.db: Input/output error" }
        let good = try SidecarThread(executor.scratch, id: "good")
        let bad = try SidecarThread(executor.scratch, id: "bad", agent: failing)
        guard case .timeout(true, _, let errors) = executor.failure() else {
            Issue.record("it was frozen")
            return
        }
        #expect(errors == ["bad": "fsync /work/table.db: Input/output error"])
        #expect(eventually { !good.agent.isFrozen && !bad.agent.isFrozen })
    }

    @Test func `a lease that lapses in the middle voids the freeze, every time`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        for epoch in 1...UInt64(20) {
            let freeze = try executor.freeze(epoch: epoch)
            sidecar.agent.lapse()
            let reason = "the lease lapsed, or somebody else let the agent run, before the resume was read"
            #expect(executor.breach(freeze) == "sidecar-1: \(reason)")
        }
    }

    @Test func `a sidecar stopped for longer than its lease finds its agent running, and says so`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze(lease: .milliseconds(150))
        sidecar.pause()
        #expect(eventually { !sidecar.agent.isFrozen }, "the guardian thaws whatever the executor renews")
        sidecar.goOn()
        #expect(executor.breach(freeze) != nil)
    }

    @Test func `a sidecar killed while its agent is frozen voids the freeze`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze()
        try sidecar.kill()
        #expect(executor.breach(freeze) == "no answer to the resume: sidecar-1")
    }

    @Test func `a sidecar that restarts tells that continuity is lost, before anybody asks`() throws {
        let sidecar = try SidecarThread(executor.scratch, id: "before")
        let freeze = try executor.freeze()
        try sidecar.kill()
        let next = try SidecarThread(executor.scratch, id: "after", predecessor: "before")
        let reason = QuiesceError.broken("before: CONTINUITY_LOST: the sidecar was restarted")
        #expect(throws: reason) { try freeze.check() }
        #expect(throws: reason) { try executor.resume(freeze) }
        #expect(try executor.resume(executor.freeze(epoch: 2)).acknowledgements.keys.sorted() == ["after"])
        #expect(!next.agent.isFrozen)
    }

    @Test func `a sandbox that is attached to while the others are frozen voids the snapshot`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze()
        let newcomer = try SidecarThread(executor.scratch, id: "newcomer")
        newcomer.pass()
        #expect(!newcomer.mayStartAgent, "an agent started now would write into the clone")
        #expect(executor.breach(freeze) == "a sandbox was attached while the others were frozen")
        #expect(eventually { newcomer.mayStartAgent })
        #expect(!sidecar.agent.isFrozen)
    }

    @Test func `a request found at the start freezes nobody until its lease moves`() throws {
        var request = ControlDocument(
            state: .requestFreeze, epoch: 4, taskID: "task", leaseMilliseconds: 60_000, executor: "executor-1",
            expects: ["sidecar-1"])
        _ = try executor.scratch.file.update { _ in request }
        let sidecar = try SidecarThread(executor.scratch)
        for _ in 0..<10 { sidecar.pass() }
        #expect(sidecar.agent.state.withLock { $0.freezes } == 0)
        #expect(!sidecar.mayStartAgent)
        request.leaseSequence = 1
        _ = try executor.scratch.file.update { _ in request }
        #expect(eventually { executor.state == .frozen })
    }

    @Test func `a dead executor's request holds up a new agent for one lease only`() throws {
        _ = try executor.scratch.file.update { _ in
            ControlDocument(state: .frozen, epoch: 4, leaseMilliseconds: 60, executor: "executor-1", expects: ["gone"])
        }
        let sidecar = try SidecarThread(executor.scratch)
        #expect(eventually { sidecar.mayStartAgent })
    }

    @Test func `an executor that was stopped for longer than its lease knows it although no sidecar is left to say so`()
        throws
    {
        let start = MonotonicTime.now
        var machine = CoordinatorMachine(
            .init(
                epoch: 1, taskID: "task", executor: "executor", lease: .seconds(10), policy: FreezePolicy(),
                isOnNetwork: false), everAttached: true, timeout: .seconds(30), now: start)
        machine.attached([.init(id: "one", isLiving: true, registration: nil)])
        let request = machine.edit(.absent, now: start)
        var document = try #require(request)
        document.state = .frozen
        document.acknowledgements["one"] = Acknowledgement(
            nonce: "n", method: .cgroup2, consistency: .quiesced, processes: 1, threads: 1, flushedFiles: 0,
            freezeMicroseconds: 0, flushMicroseconds: 0, frozenAt: .now)
        _ = machine.observe(.document(document), now: start)
        machine.attached([.init(id: "one", isLiving: true, registration: nil)])
        #expect(machine.observe(.document(document), now: start) == .frozen)
        #expect(machine.observe(.document(document), now: start + .milliseconds(9_999)) == .write)
        #expect(
            machine.observe(.document(document), now: start + .seconds(10))
                == .failed(.broken("the lease lapsed before it was renewed")))
    }
}
