import Glibc
import RuntimeCore

@testable import Quiesce

/// What a test of the coordinator needs each time.
struct Executor {
    let scratch: ControlScratch
    let cancellation: Cancellation

    init(prepared: Bool = true) throws {
        scratch = try ControlScratch(prepared: prepared)
        cancellation = try Cancellation()
    }

    func freeze(
        epoch: UInt64 = 1, expectCurrent: String? = nil, lease: Duration = .seconds(10),
        timeout: Duration = .seconds(20), policy: FreezePolicy = FreezePolicy()
    ) throws(QuiesceError) -> Freeze {
        try FreezeCoordinator(
            controlDirectory: scratch.descriptor, executorID: "executor-1", policy: policy,
            logger: Logger(level: .error)
        ).freeze(
            epoch: epoch, taskID: "task-\(epoch)", expectCurrent: expectCurrent, lease: lease, timeout: timeout,
            cancellation: cancellation)
    }

    func resume(_ freeze: Freeze, expectCurrent: String? = nil) throws(QuiesceError) -> Receipt {
        try freeze.resume(expectCurrent: expectCurrent, timeout: .seconds(20), cancellation: cancellation)
    }

    /// What a freeze is refused with.
    func failure(
        epoch: UInt64 = 1, timeout: Duration = .seconds(20), policy: FreezePolicy = FreezePolicy()
    ) -> QuiesceError? {
        do {
            _ = try freeze(epoch: epoch, timeout: timeout, policy: policy)
            return nil
        } catch {
            return error
        }
    }

    /// Why a freeze that stood is worth nothing.
    func breach(_ freeze: Freeze) -> String? {
        do {
            _ = try resume(freeze)
            return nil
        } catch {
            guard case .broken(let reason) = error else { return "not broken but \(error)" }
            return reason
        }
    }

    var state: ControlDocument.State? { scratch.document?.state }
}

/// Waits until something holds, without a fixed sleep.
func eventually(within limit: Duration = .seconds(20), _ condition: () -> Bool) -> Bool {
    let deadline = MonotonicTime.now + limit
    while !condition() {
        if deadline.remaining == .zero { return false }
        usleep(300)
    }
    return true
}
