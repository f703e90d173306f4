import Glibc
import RuntimeCore
import Testing

@testable import Quiesce

/// A participant on a thread of its own, stepped as a sidecar would, but for inotify: every millisecond.
final class SidecarThread: @unchecked Sendable {
    // Unchecked: `thread` is set before anybody else can see it; the participant lives on the thread.
    let id: String
    let agent: FakeAgent
    private let isPaused = Mutex(false)
    private let steps = Mutex(0)
    private let mayStart = Mutex(false)
    private let stopping: Cancellation
    private let dying: Cancellation
    private let ended: Cancellation

    /// Returns once the participant is registered.
    init(
        _ scratch: ControlScratch, id: String = "sidecar-1", mode: Registration.Mode = .run,
        agent: FakeAgent = FakeAgent(), predecessor: String? = nil
    ) throws {
        self.id = id
        self.agent = agent
        stopping = try Cancellation()
        dying = try Cancellation()
        ended = try Cancellation()
        let registered = try Cancellation()
        let descriptor = scratch.descriptor
        let (stopping, dying, ended, isPaused, steps, mayStart) = (stopping, dying, ended, isPaused, steps, mayStart)
        startThread {
            defer { ended.cancel() }
            do {
                let participant = try Participant(
                    controlDirectory: descriptor, id: id, mode: mode, agent: agent, predecessor: predecessor,
                    logger: Logger(level: .error))
                try participant.register()
                registered.cancel()
                while !stopping.isCancelled {
                    if dying.isCancelled {
                        // What a killed process leaves: a file without its lock.
                        participant.registration = nil
                        return
                    }
                    if !isPaused.withLock({ $0 }) {
                        _ = participant.step()
                        mayStart.withLock { $0 = participant.mayStartAgent }
                    }
                    steps.withLock { $0 += 1 }
                    var stop = pollfd(fd: stopping.descriptor, events: Int16(POLLIN), revents: 0)
                    poll(&stop, 1, 1)
                }
                participant.deregister()
            } catch {
                Issue.record(error)
                registered.cancel()
            }
        }
        try registered.wait()
    }

    deinit {
        stopping.cancel()
        try? ended.wait()
    }

    func stop() throws {
        stopping.cancel()
        try ended.wait()
    }

    /// As if stopped by a signal; its guardian goes on.
    func pause() {
        isPaused.withLock { $0 = true }
        pass()
    }

    func goOn() { isPaused.withLock { $0 = false } }

    var mayStartAgent: Bool { mayStart.withLock { $0 } }

    /// Returns when it has looked twice more.
    func pass() {
        let start = steps.withLock { $0 }
        while steps.withLock({ $0 }) < start + 2 { usleep(300) }
    }

    /// As if killed: the lock goes, the registration stays, the guardian thaws.
    func kill() throws {
        dying.cancel()
        try ended.wait()
        agent.thaw()
    }
}

/// Runs work on a thread that blocks nobody else's.
func startThread(_ body: @escaping @Sendable () -> Void) {
    final class Box: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    var thread = pthread_t()
    let code = pthread_create(
        &thread, nil,
        { context in
            if let context { Unmanaged<Box>.fromOpaque(context).takeRetainedValue().body() }
            return nil
        }, Unmanaged.passRetained(Box(body)).toOpaque())
    precondition(code == 0)
    pthread_detach(thread)
}

extension Cancellation {
    /// Waits for somebody to cancel; a test's signal.
    func wait(_ patience: Duration = .seconds(20)) throws {
        var descriptors = [pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)]
        poll(&descriptors, 1, CInt(clamping: patience.wholeMilliseconds))
        try #require(isCancelled, "nothing happened in time")
    }
}
