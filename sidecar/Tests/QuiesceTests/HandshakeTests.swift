import Glibc
import RuntimeCore
import Testing

@testable import Quiesce

@Suite struct HandshakeTests {
    private let executor: Executor

    init() throws { executor = try Executor() }

    @Test func `an agent stands still between freeze and resume, and its sidecar says it was held`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze()
        #expect(sidecar.agent.isFrozen)
        #expect(executor.state == .frozen)
        #expect(freeze.acknowledgements[sidecar.id]?.flushedFiles == 2)
        try freeze.check()
        let receipt = try executor.resume(freeze)
        #expect(!sidecar.agent.isFrozen)
        #expect(receipt.isHeld)
        #expect(receipt.consistency == .quiesced)
        #expect(eventually { executor.state == .running })
    }

    @Test func `two sandboxes on one workspace are both frozen, and the last to answer ends each phase`() throws {
        let sidecars = try ["one", "two"].map { try SidecarThread(executor.scratch, id: $0) }
        let freeze = try executor.freeze()
        #expect(sidecars.allSatisfy { $0.agent.isFrozen })
        #expect(freeze.acknowledgements.keys.sorted() == ["one", "two"])
        let receipt = try executor.resume(freeze)
        #expect(receipt.isHeld)
        #expect(receipt.acknowledgements.count == 2)
        #expect(eventually { executor.state == .running })
    }

    @Test func `a lease is renewed for as long as the freeze lasts`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let lease = Duration.milliseconds(240)
        let freeze = try executor.freeze(lease: lease)
        let start = MonotonicTime.now
        #expect(eventually { start + lease * 3 < .now })
        #expect(sidecar.agent.isFrozen)
        #expect(executor.scratch.document?.leaseSequence ?? 0 >= 6)
        #expect(try executor.resume(freeze).isHeld)
    }

    @Test func `an abandoned freeze lets the agent go at once`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        try executor.freeze().abandon()
        #expect(eventually { !sidecar.agent.isFrozen })
        _ = try executor.freeze(epoch: 2)
        #expect(sidecar.agent.state.withLock { $0.freezes } == 2)
        #expect(eventually { !sidecar.agent.isFrozen }, "a freeze that is dropped is abandoned")
    }

    @Test func `a higher epoch overrides whatever an earlier one left behind`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let left = try executor.freeze(epoch: 5)
        let next = try executor.freeze(epoch: 9)
        #expect(sidecar.agent.state.withLock { $0.freezes } == 2)
        #expect(throws: QuiesceError.broken("epoch 9 has taken over")) { try left.check() }
        #expect(try executor.resume(next).isHeld)
        #expect(executor.failure(epoch: 9) == .broken("epoch 9 was used before"))
        #expect(executor.failure(epoch: 8) == .broken("epoch 9 has taken over"))
    }

    @Test func `cancelling ends the wait for a sidecar at once`() throws {
        let executor = executor
        startThread {
            _ = eventually { executor.state == .requestFreeze }
            executor.cancellation.cancel()
        }
        #expect(executor.failure() == .canceled)
        #expect(executor.state == .requestResume)
    }

    @Test func `an executor that starts releases what it had frozen, and nothing can be made of that freeze`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        let freeze = try executor.freeze()
        let descriptor = executor.scratch.descriptor
        #expect(try !FreezeCoordinator.releaseLeftover(controlDirectory: descriptor, executorID: "another"))
        #expect(try !FreezeCoordinator.releaseLeftover(controlDirectory: descriptor, executorID: "executor-1"))
        // Gone with the process, as its lock would be.
        #expect(unlink("\(executor.scratch.path)/freeze.lock") == 0)
        #expect(try FreezeCoordinator.releaseLeftover(controlDirectory: descriptor, executorID: "executor-1"))
        #expect(eventually { !sidecar.agent.isFrozen })
        #expect(executor.breach(freeze) != nil)
    }

    @Test func `a lock that somebody holds for ever costs time and stops nobody`() throws {
        let hostile = open("\(executor.scratch.path)/control.lock", O_RDWR | O_CLOEXEC)
        defer { close(hostile) }
        try #require(flock(hostile, LOCK_EX) == 0)
        let sidecars = try ["one", "two"].map { try SidecarThread(executor.scratch, id: $0) }
        let freeze = try executor.freeze()
        #expect(sidecars.allSatisfy { $0.agent.isFrozen })
        #expect(try executor.resume(freeze).isHeld)
    }

    @Test func `a hundred handshakes in a row freeze a hundred times, and what they took is printed`() throws {
        let sidecar = try SidecarThread(executor.scratch)
        var samples: [(freeze: Int64, resume: Int64)] = []
        for epoch in 1...UInt64(100) {
            let start = MonotonicTime.now
            let freeze = try executor.freeze(epoch: epoch)
            let frozen = MonotonicTime.now
            _ = try executor.resume(freeze)
            samples.append((frozen.nanoseconds - start.nanoseconds, MonotonicTime.now.nanoseconds - frozen.nanoseconds))
        }
        let freezes = samples.map(\.freeze).sorted()
        let resumes = samples.map(\.resume).sorted()
        print(
            "handshake, sidecar polling every 1 ms: freeze median \(freezes[50] / 1000) µs, p99 \(freezes[98] / 1000) µs;"
        )
        print("resume median \(resumes[50] / 1000) µs, p99 \(resumes[98] / 1000) µs")
        #expect(sidecar.agent.state.withLock { $0.freezes } == 100)
    }
}
