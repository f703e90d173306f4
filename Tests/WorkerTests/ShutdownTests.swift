import Glibc
import Model
import RuntimeCore
import TestSupport
import Testing

/// wvs-worker as a process that is told to end while something that it needs hangs.
@Suite struct ShutdownTests {
    private static let settings = ["WORKER_SHUTDOWN_TIMEOUT": "3s", "WORKER_LEASE": "600s"]
    /// For a busy machine; without a bound it would take minutes.
    private static let slack = Duration.seconds(20)

    @Test func `a worker whose executor hangs hands back in time, and another one takes over at once`() async throws {
        try await Rig.with { rig in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .hang)
            let worker = try rig.startWorker(Self.settings)
            try await eventually("it runs", within: .seconds(30)) { rig.executor.running == 1 }
            try await Self.end(worker, expecting: 0)
            #expect(try await rig.task(id).status == .running)
            #expect(try #require(try await rig.leaseEnd(of: id)) <= .now)
            let next = try rig.startWorker(Self.settings)
            defer { next.end(SIGKILL) }
            try await eventually("it ends", within: .seconds(60)) { try await rig.task(id).status == .succeeded }
        }
    }

    @Test func `a worker ends in time although PostgreSQL hangs`() async throws {
        try await Rig.withServer { rig, server in
            try await rig.addWorkspace()
            let id = try await rig.enqueueSnapshot()
            rig.executor.script(id, .hang)
            let worker = try rig.startWorker(Self.settings)
            try await eventually("it runs", within: .seconds(30)) { rig.executor.running == 1 }
            try await server.freeze()
            let outcome: Result<Void, any Error>
            do { outcome = .success(try await Self.end(worker, expecting: 1)) } catch { outcome = .failure(error) }
            try await server.thaw()
            try outcome.get()
        }
    }

    /// Sends SIGTERM and sees to it that the worker ends within its time.
    private static func end(_ worker: ProgramProcess, expecting status: Int32) async throws {
        let start = MonotonicTime.now
        worker.signal(SIGTERM)
        #expect(try await worker.ended(within: .seconds(120)) == status)
        #expect(.now - start < .seconds(3) + slack)
    }
}
