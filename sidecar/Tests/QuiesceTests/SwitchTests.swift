import RuntimeCore
import Testing

@testable import Quiesce

/// set_current: the thaw waits for the agent to see the new link.
@Suite struct SwitchTests {
    private let executor: Executor

    init() throws { executor = try Executor() }

    @Test func `an agent is thawed only once it sees the new current`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze(expectCurrent: "live/new")
        #expect(!freeze.openFiles.complete, "nobody reads what would be listed there")
        let agent = sidecar.agent
        let wasFrozen = Mutex(false)
        let executor = executor
        startThread {
            _ = eventually { executor.state == .requestResume }
            sidecar.pass()
            wasFrozen.withLock { $0 = agent.isFrozen }
            agent.state.withLock { $0.current = "live/new" }
        }
        let receipt = try executor.resume(freeze, expectCurrent: "live/new")
        #expect(wasFrozen.withLock { $0 })
        #expect(!agent.isFrozen)
        #expect(receipt.isHeld)
        #expect(agent.state.withLock { $0.isForSwitch } == true)
    }

    @Test func `nothing may be read under a freeze that was asked for a switch`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze(expectCurrent: "live/new")
        #expect(executor.breach(freeze) == "\(sidecar.id): requested for a switch, and released without one")
        let other = try executor.freeze(epoch: 2)
        #expect(sidecar.agent.state.withLock { $0.isForSwitch } == false)
        #expect(try executor.resume(other).isHeld)
    }

    @Test func `a link that is never seen holds the agent no longer than its lease, and the receipt says so`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze(lease: .milliseconds(150))
        let receipt = try executor.resume(freeze, expectCurrent: "live/new")
        #expect(!sidecar.agent.isFrozen)
        #expect(receipt.acknowledgements[sidecar.id]?.held == false)
        #expect(receipt.errors[sidecar.id] == "current was not seen to be live/new before the lease ended")
    }

    @Test func `a sidecar that died does not undo a switch`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze()
        try sidecar.kill()
        let receipt = try executor.resume(freeze, expectCurrent: "live/new")
        #expect(!receipt.isHeld)
        #expect(receipt.acknowledgements[sidecar.id] != nil)
    }
}
