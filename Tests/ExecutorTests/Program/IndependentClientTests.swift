import ExecutorRPC
import Foundation
import Glibc
import JSON
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// The program, called by a client that is none of ours: Debian's python3-grpcio. What the transport makes of such calls is in
/// ExecutorRPCTests; this is what becomes of the task.
@Suite struct IndependentClientTests {
    private static let watch = #"{"task_id": "\#(Ids.task)"}"#

    private static func request(_ fence: UInt64, _ snapshotID: String = Ids.snapshot) -> String {
        """
        {"task_id": "\(Ids.task)", "wsid": "ws-1", "fence": "\(fence)", "request_id": "request-1",
         "operation": {"snapshot_create": {"snapshot_id": "\(snapshotID)", "message": ""}}}
        """
    }

    private func call(
        _ method: String, _ request: String, _ executor: ExecutorProcess, timeout: Int? = nil
    ) async throws -> IndependentClient {
        try IndependentClient(
            method, request, at: try await executor.process.address("grpc").description, timeout: timeout)
    }

    private func start(_ scratch: ScratchMount, failpoint: String? = nil) async throws -> ExecutorProcess {
        let executor = try await ExecutorProcess(scratch, failpoint: failpoint)
        _ = try await executor.execute(.initWorkspace(liveID: Ids.live, owner: nil), fence: 1)
        return executor
    }

    @Test func anAnswerThatWasLostIsFetchedAndNothingIsDoneTwice() async throws {
        let scratch = try ScratchMount()
        let executor = try await start(scratch, failpoint: "executor.snapshot.after_publish:stop")
        let sidecar = try await Sidecar(scratch)
        let late = try await call("ExecuteTask", Self.request(2), executor, timeout: 60)
        try await executor.isStopped(at: "executor.snapshot.after_publish")
        // It is done, and its caller never hears of it.
        late.cancel()
        #expect(try await late.answer()["status"]?.string == "CANCELLED")
        executor.process.signal(SIGCONT)

        var fetched = JSONValue.null
        try await eventually("the attempt has ended", within: .seconds(30)) {
            fetched = try await call("GetTask", Self.watch, executor).answer()["response"] ?? .null
            return fetched["running"]?.bool != true
        }
        let result = try #require(fetched["result"]?["snapshot_create"], "\(fetched.text)")
        #expect(result["snapshot_id"]?.string == Ids.snapshot)
        #expect(result["receipt"]?["acknowledgements"]?.array?.first?["held"]?.bool == true)
        let settled = try await call("Settle", Self.request(3), executor).answer()
        #expect(settled["response"]?["published"]?["snapshot_create"] == result, "\(settled.text)")
        let repeated = try await call("ExecuteTask", Self.request(4), executor).answer()
        #expect(repeated["response"]?["result"]?["snapshot_create"] == result, "\(repeated.text)")
        #expect(sidecar.agent.freezes == 1)
        #expect(executor.process.end() == 0)
        try await sidecar.stop()
    }

    @Test(arguments: [false, true]) func aCallThatIsOverLeavesNothingAndTheAgentRunning(byDeadline: Bool) async throws {
        let scratch = try ScratchMount()
        let executor = try await start(scratch)
        let sidecar = try await Sidecar(scratch)
        // Until the call is over its agent stands still and does not acknowledge.
        let isOver = Mutex(false)
        sidecar.agent.whileFrozen { while !isOver.withLock({ $0 }) { usleep(1000) } }
        defer { isOver.withLock { $0 = true } }
        let client = try await call("ExecuteTask", Self.request(2), executor, timeout: byDeadline ? 2 : 60)
        try await eventually("the agent stands still", within: .seconds(30)) { sidecar.agent.isFrozen }
        if !byDeadline { client.cancel() }
        let status = try await client.answer()["status"]?.string
        #expect(status == (byDeadline ? "DEADLINE_EXCEEDED" : "CANCELLED"))
        var failure = JSONValue.null
        try await eventually("the attempt has ended", within: .seconds(30)) {
            let answer = try await call("GetTask", Self.watch, executor).answer()["response"] ?? .null
            failure = answer["failure"] ?? .null
            return answer["running"]?.bool != true
        }
        let code = try #require(failure["code"]?.string)
        #expect(
            byDeadline ? ["CANCELED", "WVS_EXECUTOR_TIMEOUT"].contains(code) : code == "CANCELED", "\(failure.text)")
        isOver.withLock { $0 = true }
        try await eventually("the agent runs", within: .seconds(30)) { !sidecar.agent.isFrozen }
        #expect(try scratch.directory("ws-1/snapshots").names().filter { StagedName($0) != .trash } == [])
        let settled = try await call("Settle", Self.request(3), executor).answer()
        #expect(settled["response"]?.object?.names == ["not_published"], "\(settled.text)")
        let next = try await call("ExecuteTask", Self.request(4), executor).answer()
        #expect(next["response"]?["result"]?["snapshot_create"] != nil, "\(next.text)")
        #expect(executor.process.end() == 0)
        try await sidecar.stop()
    }

    @Test func aWatchTellsOfTheWaitTheCloneAndTheOutcome() async throws {
        let scratch = try ScratchMount()
        let executor = try await start(scratch)
        for index in 0..<200 { try scratch.write("", to: "ws-1/current/\(index)") }
        let execution = try await call("ExecuteTask", Self.request(2), executor)
        var watch: IndependentClient?
        try await eventually("the wait for a sidecar is seen", within: .seconds(60)) {
            let client = try await call("WatchTask", #"{"task_id": "\#(Ids.task)", "fence": "2"}"#, executor)
            // There may be no attempt yet.
            try await eventually("it answers", within: .seconds(30)) {
                try !client.events.isEmpty || client.hasEnded
            }
            watch = client
            return try client.events.first?["progress"]?["phase"]?.string == "quiescing"
        }
        let client = try #require(watch)
        let sidecar = try await Sidecar(scratch)
        #expect(try await client.answer()["status"]?.string == "OK")
        let events = try client.events
        #expect(events.last?["result"]?["snapshot_create"]?["entries"]?.string == "200", "\(events.map(\.text))")
        let counts = events.compactMap { $0["progress"] }.map { Int($0["entries"]?.string ?? "0") ?? 0 }
        #expect(counts == counts.sorted())
        #expect(
            try await execution.answer()["response"]?["result"]?["snapshot_create"]
                == events.last?["result"]?["snapshot_create"])
        // One who watches too long goes alone: an attempt that has ended is still told of.
        let again = try await call("WatchTask", Self.watch, executor, timeout: 60)
        #expect(try await again.answer()["status"]?.string == "OK")
        #expect(try again.events.count == 1)
        #expect(executor.process.end() == 0)
        try await sidecar.stop()
    }
}
