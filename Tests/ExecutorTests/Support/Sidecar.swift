import Glibc
import Quiesce
import Runtime
import RuntimeCore
import TestSupport

@testable import Executor

/// A real participant of the protocol on a thread of its own, with an agent that only knows whether it may run.
final class Sidecar: Sendable {
    let agent: StillAgent
    private let stopping: Cancellation
    private let ended: Cancellation

    /// Returns once it is registered.
    init(_ scratch: ScratchMount, wsid: String = "ws-1") async throws {
        let agent = StillAgent(workspace: "\(scratch.path)/\(wsid)")
        let control = try Directory(path: "\(scratch.path)/\(wsid)/.wvs")
        let registered = try Cancellation()
        let (stopping, ended) = (try Cancellation(), try Cancellation())
        (self.agent, self.stopping, self.ended) = (agent, stopping, ended)
        Thread.detach {
            defer { ended.cancel() }
            do {
                let participant = try Participant(
                    controlDirectory: control.raw, id: UUIDv7.make(), mode: .run, agent: agent,
                    logger: Logger(level: .error))
                try participant.register()
                registered.cancel()
                while !stopping.isCancelled {
                    _ = participant.step()
                    // As a sidecar would wait for its control file; half a millisecond of poll(2).
                    usleep(500)
                }
                participant.deregister()
            } catch {
                Logger().error("sidecar of a test ended", [.error: LogValue(error)])
            }
        }
        try await eventually("the sidecar is registered") { registered.isCancelled }
    }

    func stop() async throws {
        stopping.cancel()
        try await eventually("the sidecar has ended") { self.ended.isCancelled }
    }

    deinit { stopping.cancel() }
}

/// A POSIX thread that nobody joins.
private enum Thread {
    static func detach(_ body: @escaping @Sendable () -> Void) {
        final class Box { let body: () -> Void; init(_ body: @escaping () -> Void) { self.body = body } }
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { context in
                if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body() }
                return nil
            }, Unmanaged.passRetained(Box(body)).toOpaque())
        precondition(code == 0, "no thread to be had")
        pthread_detach(thread)
    }
}
