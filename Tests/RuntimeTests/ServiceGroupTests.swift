import Runtime
import RuntimeCore
import Testing

@Suite struct ServiceGroupTests {
    /// Ends when told to, and keeps a record of the order.
    private final class Scripted: Service {
        let name: String
        private let ended: RuntimeCore.Mutex<[String]>
        private let failure: (any Error)?
        private let stream = AsyncStream.makeStream(of: Void.self)

        init(_ name: String, ended: RuntimeCore.Mutex<[String]>, failure: (any Error)? = nil) {
            self.name = name
            self.ended = ended
            self.failure = failure
        }

        func run() async throws {
            if let failure { throw failure }
            for await _ in stream.stream {}
            ended.withLock { $0.append(name) }
        }

        func shutdown() { stream.continuation.finish() }
    }

    private struct Broken: Error {}

    /// Waits for what never comes, whatever it is told.
    private final class Stuck: Service {
        let name = "stuck"
        private let kept = RuntimeCore.Mutex<CheckedContinuation<Void, Never>?>(nil)
        func run() async throws { await withCheckedContinuation { never in kept.withLock { $0 = never } } }
        func shutdown() {}
        func letGo() { kept.withLock { $0 }?.resume() }
    }

    @Test func aFailingServiceShutsTheOthersDownInReverseOrderAndIsThrown() async throws {
        let ended = RuntimeCore.Mutex<[String]>([])
        let group = ServiceGroup(
            [
                Scripted("first", ended: ended), Scripted("second", ended: ended),
                Scripted("broken", ended: ended, failure: Broken()),
            ],
            shutdownTimeout: .seconds(10), logger: Logger(level: .error, descriptor: -1))
        await #expect(throws: Broken.self) { try await group.run() }
        #expect(ended.withLock { $0 } == ["second", "first"])
    }

    @Test func whatDoesNotEndAlthoughItWasCanceledIsLeftAndNamed() async throws {
        let stuck = Stuck()
        let ended = RuntimeCore.Mutex<[String]>([])
        let group = ServiceGroup(
            [stuck, Scripted("broken", ended: ended, failure: Broken())], shutdownTimeout: .milliseconds(10),
            patience: .milliseconds(10), logger: Logger(level: .error, descriptor: -1))
        await #expect(throws: Broken.self) { try await group.run() }
        stuck.letGo()
    }
}
