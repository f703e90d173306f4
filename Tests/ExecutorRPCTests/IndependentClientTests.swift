import ExecutorRPC
import Foundation
import GRPCTransport
import JSON
import RuntimeCore
import TestSupport
import Testing

/// Calls by grpcio and Google's protobuf: what they send and read is not our own idea of it.
@Suite("An independent client")
struct IndependentClientTests {
    private static let request = """
        {"task_id": "task", "wsid": "ws-1", "fence": "18446744073709551615", "request_id": "request-1",
         "operation": {"snapshot_create": {"snapshot_id": "s", "message": "vor dem Umbau — 重构之前"}}}
        """

    @Test("calls ExecuteTask and reads the whole answer")
    func executes() async throws {
        let executor = ScriptedExecutor(onExecute: { request, context in
            #expect(
                request
                    == ExecuteTaskRequest(
                        taskID: "task", wsid: "ws-1", fence: .max, requestID: "request-1",
                        operation: .snapshotCreate(snapshotID: "s", message: "vor dem Umbau — 重构之前")))
            #expect(context.requestID == "request-1")
            #expect(context.traceparent == "00-ab-cd-01")
            return .result(
                .snapshotCreate(
                    SnapshotCreateResult(
                        snapshotID: "s", fsPath: "snapshots/s", engine: "reflink", entries: 12,
                        receipt: Sample.receipt)))
        })
        let answer = try await withExecutor(executor) { address in
            try await IndependentClient("ExecuteTask", Self.request, at: address).answer()
        }
        #expect(answer["status"]?.string == "OK")
        #expect(answer["metadata"]?["x-request-id"]?.string == "request-1")
        #expect(answer["metadata"]?["traceparent"]?.string == "00-ab-cd-01")
        let result = answer["response"]?["result"]?["snapshot_create"]
        #expect(result?["fs_path"]?.string == "snapshots/s")
        #expect(result?["entries"]?.string == "12")
        let receipt = result?["receipt"]
        #expect(receipt?["window_ms"]?.double == 15.75)
        #expect(receipt?["acknowledgements"]?.array?.count == 2)
        #expect(receipt?["acknowledgements"]?.array?.first?["held"]?.bool == true)
        #expect(receipt?["acknowledgements"]?.array?.first?["threads"]?.integer == 17)
    }

    @Test("calls Settle and GetTask")
    func others() async throws {
        let progress = Progress(phase: .cloning, entries: 12, entriesTotal: 40, frozen: true)
        let executor = ScriptedExecutor(
            onSettle: { _, _ in .notPublished },
            onGet: { request, _ in
                #expect(request == GetTaskRequest(taskID: "task"))
                return .running(wsid: "ws-1", fence: 7, progress: progress)
            })
        try await withExecutor(executor) { address in
            let settled = try await IndependentClient("Settle", Self.request, at: address).answer()
            #expect(settled["response"]?.object?.names == ["not_published"])
            let task = try await IndependentClient("GetTask", #"{"task_id": "task"}"#, at: address).answer()
            #expect(task["response"]?["running"]?.bool == true)
            #expect(task["response"]?["progress"]?["phase"]?.string == "cloning")
            #expect(task["response"]?["progress"]?["entries_total"]?.string == "40")
        }
    }

    @Test("watches a task: every event in order, then the outcome, then the end")
    func watches() async throws {
        let executor = ScriptedExecutor(onWatch: { request, context, send in
            #expect(request == WatchTaskRequest(taskID: "task", fence: 7))
            #expect(context.requestID == "request-1")
            for entries: UInt64 in 0..<20 { try await send(.progress(Progress(phase: .cloning, entries: entries))) }
            try await send(.ended(.result(.snapshotDrop(alreadyGone: true))))
        })
        try await withExecutor(executor) { address in
            let client = try IndependentClient("WatchTask", #"{"task_id": "task", "fence": "7"}"#, at: address)
            #expect(try await client.answer()["status"]?.string == "OK")
            let events = try client.events
            #expect(events.count == 21)
            #expect(events.dropLast().map { $0["progress"]?["entries"]?.string ?? "0" } == (0..<20).map(String.init))
            #expect(events.last?["result"]?["snapshot_drop"]?["already_gone"]?.bool == true)
        }
    }

    @Test("that watches an unknown task is told NOT_FOUND")
    func watchesNothing() async throws {
        let executor = ScriptedExecutor(onWatch: { _, _, _ in throw GRPCError(.notFound, "no such attempt") })
        try await withExecutor(executor) { address in
            let answer = try await IndependentClient("WatchTask", #"{"task_id": "task"}"#, at: address).answer()
            #expect(answer["status"]?.string == "NOT_FOUND")
        }
    }

    @Test("whose watch is over, by deadline or cancelled, has its end of the stream let go", arguments: [1, 60])
    func watchEnds(timeout: Int) async throws {
        let canceled = Signal()
        let executor = ScriptedExecutor(onWatch: { _, _, send in
            try await send(.progress(Progress(phase: .quiescing)))
            do { try await Task.sleep(for: .seconds(100)) } catch {
                canceled.set()
                throw error
            }
        })
        try await withExecutor(executor) { address in
            let client = try IndependentClient("WatchTask", #"{"task_id": "task"}"#, at: address, timeout: timeout)
            if timeout == 60 {
                try await eventually("an event is there", within: .seconds(60)) { try !client.events.isEmpty }
                client.cancel()
            }
            let status = try await client.answer()["status"]?.string
            #expect(status == (timeout == 60 ? "CANCELLED" : "DEADLINE_EXCEEDED"))
            try await eventually("the executor's side is cancelled") { canceled.isSet }
        }
    }

    @Test("is refused a request without operation, with INVALID_ARGUMENT")
    func invalid() async throws {
        let request = #"{"task_id": "task", "wsid": "ws-1", "fence": "1", "operation": {}}"#
        let answer = try await withExecutor(ScriptedExecutor()) { address in
            try await IndependentClient("ExecuteTask", request, at: address).answer()
        }
        #expect(answer["status"]?.string == "INVALID_ARGUMENT")
        #expect(answer["details"]?.string == "operation: missing, or of a kind unknown here")
    }

    @Test("that lets its deadline pass has the executor's task cancelled")
    func deadline() async throws {
        let begun = Signal()
        let canceled = Signal()
        try await withExecutor(Self.stalled(begun, canceled)) { address in
            let answer = try await IndependentClient("ExecuteTask", Self.request, at: address, timeout: 1).answer()
            #expect(answer["status"]?.string == "DEADLINE_EXCEEDED")
            try await eventually("the executor's task is cancelled") { canceled.isSet }
        }
        #expect(begun.isSet)
    }

    @Test("that cancels has the executor's task cancelled")
    func cancellation() async throws {
        let begun = Signal()
        let canceled = Signal()
        try await withExecutor(Self.stalled(begun, canceled)) { address in
            let client = try IndependentClient("ExecuteTask", Self.request, at: address, timeout: 60)
            try await eventually("the call runs", within: .seconds(20)) { begun.isSet }
            client.cancel()
            #expect(try await client.answer()["status"]?.string == "CANCELLED")
            try await eventually("the executor's task is cancelled") { canceled.isSet }
        }
    }

    private static func stalled(_ begun: Signal, _ canceled: Signal) -> ScriptedExecutor {
        ScriptedExecutor(onExecute: { _, context in
            #expect(context.deadline != nil)
            begun.set()
            do {
                try await Task.sleep(for: .seconds(100))
            } catch {
                canceled.set()
                throw error
            }
            return .result(.snapshotDrop(alreadyGone: false))
        })
    }
}

/// Something that happens once.
private final class Signal: Sendable {
    private let value = Mutex(false)

    var isSet: Bool { value.withLock { $0 } }

    func set() { value.withLock { $0 = true } }
}
