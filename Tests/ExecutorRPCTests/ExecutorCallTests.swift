import ExecutorRPC
import GRPCTransport
import RuntimeCore
import Testing

@Suite("A worker's call of an executor")
struct ExecutorCallTests {
    private static let request = ExecuteTaskRequest(
        taskID: "task", wsid: "ws-1", fence: 3, requestID: "request-1", operation: .snapshotDrop(snapshotID: "s"))

    @Test("arrives as it was sent, with request id, trace and deadline")
    func arrives() async throws {
        let executor = ScriptedExecutor(onExecute: { request, context in
            #expect(request == Self.request)
            #expect(context.requestID == "request-1")
            #expect(context.traceparent == "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            let left = try #require(context.deadline).remaining
            // On the wire a timeout of this size is rounded up to tenths of a second.
            #expect(left > .zero && left <= .seconds(30) + .milliseconds(100))
            return .result(.snapshotDrop(alreadyGone: true))
        })
        let outcome = try await withExecutor(executor) { address in
            try await ExecutorClient(address: address).executeTask(
                Self.request, traceparent: "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
                deadline: .seconds(30))
        }
        #expect(outcome == .result(.snapshotDrop(alreadyGone: true)))
    }

    @Test("reaches each method")
    func methods() async throws {
        let executor = ScriptedExecutor(
            onExecute: { _, _ in .failure(TaskFailure(code: .fenced, message: "", retryable: false, storedFence: 9)) },
            onSettle: { _, _ in .notPublished }, onGet: { _, _ in .idle })
        try await withExecutor(executor) { address in
            let client = try ExecutorClient(address: address)
            let failure = TaskFailure(code: .fenced, message: "", retryable: false, storedFence: 9)
            #expect(try await client.executeTask(Self.request, deadline: .seconds(10)) == .failure(failure))
            let settle = SettleRequest(
                taskID: "t", wsid: "ws-1", fence: 4, requestID: "", operation: Self.request.operation)
            #expect(try await client.settle(settle, deadline: .seconds(10)) == .notPublished)
            #expect(try await client.getTask(GetTaskRequest(taskID: "t"), deadline: .seconds(10)) == .idle)
        }
    }

    @Test("watches an attempt to its outcome; a watch that ends without one is an error")
    func watches() async throws {
        let events = [TaskEvent.progress(Progress(phase: .cloning)), .ended(.result(.snapshotDrop(alreadyGone: true)))]
        let executor = ScriptedExecutor(onWatch: { request, _, send in
            for event in events.prefix(Int(request.fence ?? 2)) { try await send(event) }
        })
        try await withExecutor(executor) { address in
            let client = try ExecutorClient(address: address)
            var seen: [TaskEvent] = []
            for try await event in try client.watchTask(WatchTaskRequest(taskID: "t"), deadline: .seconds(20)) {
                seen.append(event)
            }
            #expect(seen == events)
            await #expect(throws: GRPCError(.internal, "the watch ended before the attempt did")) {
                for try await _ in try client.watchTask(
                    WatchTaskRequest(taskID: "t", fence: 1), deadline: .seconds(20))
                {}
            }
        }
    }

    @Test("that lacks its wsid is INVALID_ARGUMENT, and nothing is done")
    func invalid() async throws {
        let executor = ScriptedExecutor(onExecute: { _, _ in
            Issue.record("the executor must not see this")
            return .result(.snapshotDrop(alreadyGone: true))
        })
        try await withExecutor(executor) { address in
            var request = Self.request
            request.wsid = ""
            let client = try ExecutorClient(address: address)
            await #expect(throws: GRPCError(.invalidArgument, "wsid: missing")) {
                try await client.executeTask(request, deadline: .seconds(10))
            }
        }
    }
}
