import Glibc
import RuntimeCore
import Testing

@testable import Quiesce

/// The executor's side against a sidecar that was written from PROTOCOL.md alone, in another process and language.
@Suite struct PeerTests {
    private let executor: Executor

    init() throws { executor = try Executor() }

    @Test func `a sidecar of other making freezes its agent, and holds it`() throws {
        let peer = try PeerProcess(executor.scratch, id: "peer")
        for epoch in 1...UInt64(5) {
            let freeze = try executor.freeze(epoch: epoch)
            #expect(peer.agentState == "T")
            let receipt = try executor.resume(freeze)
            #expect(receipt.isHeld)
            #expect(receipt.consistency == .bestEffort)
            #expect(eventually { peer.agentState == "S" })
        }
    }

    @Test func `sidecars of both makings answer for one workspace together`() throws {
        let peer = try PeerProcess(executor.scratch, id: "peer")
        let sidecar = try SidecarThread(executor.scratch)
        for epoch in 1...UInt64(5) {
            let freeze = try executor.freeze(epoch: epoch)
            #expect(freeze.acknowledgements.count == 2)
            #expect(peer.agentState == "T" && sidecar.agent.isFrozen)
            #expect(try executor.resume(freeze).isHeld)
            #expect(eventually { executor.state == .running })
        }
    }

    @Test func `a sidecar killed with its agent frozen voids the freeze, and its guardian thaws`() throws {
        let peer = try PeerProcess(executor.scratch, id: "peer")
        let freeze = try executor.freeze()
        peer.signal(SIGKILL)
        #expect(eventually { peer.agentState == "S" })
        #expect(executor.breach(freeze) == "no answer to the resume: peer")
    }

    @Test func `a sidecar killed before it acknowledges is waited for no longer, and its guardian thaws`() throws {
        let executor = executor
        let peer = try PeerProcess(executor.scratch, id: "peer", stallsBeforeAck: true)
        let failure = Mutex<QuiesceError?>(nil)
        let ended = try Cancellation()
        startThread {
            let error = executor.failure(timeout: .seconds(60))
            failure.withLock { $0 = error }
            ended.cancel()
        }
        #expect(eventually { peer.agentState == "T" })
        peer.signal(SIGKILL)
        try ended.wait()
        #expect(failure.withLock { $0 } == .timeout(everAttached: true, missing: ["peer"], errors: [:]))
        #expect(executor.state == .requestResume)
        #expect(eventually { peer.agentState == "S" })
    }

    @Test func `a sidecar stopped over the end of its lease says that it did not hold`() throws {
        let peer = try PeerProcess(executor.scratch, id: "peer")
        let freeze = try executor.freeze(lease: .milliseconds(300))
        peer.signal(SIGSTOP)
        #expect(eventually { peer.agentState == "S" }, "the guardian thaws, although the executor renews")
        peer.signal(SIGCONT)
        #expect(executor.breach(freeze) != nil)
    }
}
