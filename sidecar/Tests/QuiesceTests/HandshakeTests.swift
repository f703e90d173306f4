import Glibc
import RuntimeCore
import Testing

@testable import Quiesce

@Suite struct HandshakeTests {
    private let scratch: ControlScratch
    private let cancellation: Cancellation

    init() throws {
        scratch = try ControlScratch()
        cancellation = try Cancellation()
    }

    private func freeze(
        epoch: UInt64 = 1, lease: Duration = .seconds(10), timeout: Duration = .seconds(10),
        policy: FreezePolicy = FreezePolicy()
    ) throws -> Freeze {
        try FreezeCoordinator(
            controlDirectory: scratch.descriptor, executorID: "executor-1", policy: policy,
            logger: Logger(level: .error)
        ).freeze(epoch: epoch, taskID: "task-\(epoch)", lease: lease, timeout: timeout, cancellation: cancellation)
    }

    @Test func `an agent stands still between freeze and resume, and everybody says it was held`() throws {
        let sidecar = try SidecarThread(scratch)
        let freeze = try freeze()
        #expect(sidecar.agent.isFrozen)
        #expect(scratch.document?.state == .frozen)
        #expect(freeze.acknowledgements[sidecar.id]?.flushedFiles == 2)
        try freeze.check()
        let receipt = try freeze.resume(timeout: .seconds(10), cancellation: cancellation)
        #expect(!sidecar.agent.isFrozen)
        #expect(receipt.isHeld)
        #expect(receipt.consistency == .quiesced)
        #expect(scratch.document?.state == .running)
    }
}
