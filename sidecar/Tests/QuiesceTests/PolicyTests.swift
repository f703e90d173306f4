import RuntimeCore
import Testing

@testable import Quiesce

/// What a freeze is worth, and who must take part in it.
@Suite struct PolicyTests {
    private let executor: Executor

    init() throws { executor = try Executor() }

    @Test(arguments: [FreezeMethod.sigstop, .none])
    func `a weak method is best effort, and refused where that is not enough`(
        method: FreezeMethod
    ) throws {
        let sidecar = try SidecarThread(executor.scratch, mode: .node, agent: FakeAgent(method: method))
        let freeze = try executor.freeze()
        #expect(freeze.consistency == .bestEffort)
        #expect(try executor.resume(freeze).consistency == .bestEffort)
        let error = executor.failure(epoch: 2, policy: FreezePolicy(requireQuiesced: true))
        #expect(error == .refused("the freeze is only best effort, and the settings ask for quiesced"))
        #expect(eventually { !sidecar.agent.isFrozen })
    }

    @Test func `a doubt of the flush makes the receipt best effort`() throws {
        let agent = FakeAgent()
        agent.state.withLock { $0.doubt = "a process outside holds data.db open for writing" }
        let sidecar = try SidecarThread(executor.scratch, agent: agent)
        #expect(try executor.freeze().acknowledgements[sidecar.id]?.consistency == .bestEffort)
    }

    @Test func `a sidecar that has died makes the others' receipt best effort, until another one registers`() throws {
        let dead = try SidecarThread(executor.scratch, id: "dead")
        let sidecar = try SidecarThread(executor.scratch, id: "alive")
        try dead.kill()
        let freeze = try executor.freeze()
        #expect(freeze.acknowledgements.values.map(\.consistency) == [.quiesced])
        #expect(freeze.consistency == .bestEffort)
        #expect(try executor.resume(freeze).consistency == .bestEffort)
        let refused = QuiesceError.refused(
            "the freeze is only best effort, and the settings ask for quiesced; sidecar dead has died, and its agent may still run"
        )
        #expect(executor.failure(epoch: 2, policy: FreezePolicy(requireQuiesced: true)) == refused)
        let successor = try SidecarThread(executor.scratch, id: "successor")
        let last = try executor.freeze(epoch: 3, policy: FreezePolicy(requireQuiesced: true))
        #expect(try executor.resume(last).consistency == .quiesced)
        withExtendedLifetime((sidecar, successor)) {}
    }

    @Test func `a node that has died leaves no agent`() throws {
        try SidecarThread(executor.scratch, id: "node", mode: .node, agent: FakeAgent(method: .none)).kill()
        // Registers beside the dead one, and leaves it there.
        let folder = RegistrationFolder(control: executor.scratch.directory)
        let entries = try folder.entries()
        #expect(entries.map(\.isLiving) == [false])
        var machine = CoordinatorMachine(
            .init(
                epoch: 1, taskID: "task", executor: "executor", lease: .seconds(10), policy: FreezePolicy(),
                isOnNetwork: false), everAttached: true, timeout: .seconds(30), now: .now)
        machine.attached(entries)
        #expect(machine.departed == [])
    }

    @Test func `nobody's node is not asked where somebody is attached`() throws {
        let node = try SidecarThread(executor.scratch, id: "node", mode: .node, agent: FakeAgent(method: .none))
        let sidecar = try SidecarThread(executor.scratch, id: "agent")
        let freeze = try executor.freeze()
        #expect(freeze.acknowledgements.keys.sorted() == ["agent"])
        #expect(node.agent.state.withLock { $0.freezes } == 0)
        #expect(try executor.resume(freeze).isHeld)
        #expect(!sidecar.agent.isFrozen)
    }

    @Test func `method none needs that no other registration lives`() throws {
        let nodes = try ["one", "two"].map {
            try SidecarThread(executor.scratch, id: $0, mode: .node, agent: FakeAgent(method: .none))
        }
        #expect(executor.failure() == .broken("an unattended workspace has more than one sidecar"))
        #expect(eventually { nodes.allSatisfy { !$0.agent.isFrozen } })
    }

    @Test func `on a network file system method none must be allowed`() {
        let now = MonotonicTime.now
        let acknowledgement = Acknowledgement(
            nonce: "n", method: .none, consistency: .bestEffort, processes: 0, threads: 0, flushedFiles: 0,
            freezeMicroseconds: 0, flushMicroseconds: 0, frozenAt: .now)
        for isAllowed in [false, true] {
            var machine = CoordinatorMachine(
                .init(
                    epoch: 1, taskID: "task", executor: "executor", lease: .seconds(10),
                    policy: FreezePolicy(allowUnattended: isAllowed), isOnNetwork: true),
                everAttached: true, timeout: .seconds(30), now: now)
            let entries = [RegistrationFolder.Entry(id: "node", isLiving: true, registration: nil)]
            machine.attached(entries)
            var document = machine.edit(.absent, now: now) ?? ControlDocument()
            document.state = .frozen
            document.acknowledgements["node"] = acknowledgement
            let look = machine.observe(.document(document), now: now)
            #expect(look == .look)
            machine.attached(entries)
            let step = machine.observe(.document(document), now: now)
            let refusal = QuiesceError.refused("nobody is attached, and on a network file system that proves nothing")
            #expect(step == (isAllowed ? .frozen : .failed(refusal)))
        }
    }

    @Test func `what the agents hold open is one list, complete only where every sidecar's is`() throws {
        let first = FakeAgent()
        let second = FakeAgent()
        let file = OpenFiles.File(inode: 18_446_744_073_709_551_615, path: "/ws/a/\"log\"\n", flushed: true)
        first.state.withLock { $0.openFiles = OpenFiles(complete: true, files: [file]) }
        let sidecars = [
            try SidecarThread(executor.scratch, id: "one", agent: first),
            try SidecarThread(executor.scratch, id: "two", agent: second),
        ]
        let freeze = try executor.freeze()
        #expect(freeze.openFiles == OpenFiles(complete: true, files: [file]))
        freeze.abandon()
        second.state.withLock { state in
            let files = (0..<2000).map {
                OpenFiles.File(inode: $0, path: "/a/path/of/some/length/\($0)", flushed: true)
            }
            state.openFiles = OpenFiles(complete: true, files: files)
        }
        let next = try executor.freeze(epoch: 2)
        #expect(next.openFiles == OpenFiles(complete: false, files: [file]), "64 KiB are the limit")
        #expect(sidecars.count == 2)
    }
}
