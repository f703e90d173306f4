import GRPCTransport
import Testing

@testable import ExecutorRPC

@Suite("The messages of executor.proto")
struct MessageTests {
    @Test("say the same after the wire: requests", arguments: Sample.operations)
    func request(operation: ExecutorRPC.Operation) throws {
        let execute = ExecuteTaskRequest(
            taskID: "task", wsid: "ws-1", fence: .max, requestID: "request", operation: operation)
        #expect(try ExecuteTaskRequest(decoding: execute.encoded()) == execute)
        let settle = SettleRequest(taskID: "task", wsid: "ws-1", fence: 1, requestID: "", operation: operation)
        #expect(try SettleRequest(decoding: settle.encoded()) == settle)
    }

    @Test("say the same after the wire: results", arguments: Sample.results)
    func result(_ result: TaskResult) throws {
        let executed = ExecuteTaskOutcome.result(result)
        #expect(try ExecuteTaskOutcome(decoding: executed.encoded()) == executed)
        let settled = SettleOutcome.published(result)
        #expect(try SettleOutcome(decoding: settled.encoded()) == settled)
    }

    @Test("say the same after the wire: failures", arguments: Sample.failures)
    func failure(_ failure: TaskFailure) throws {
        let executed = ExecuteTaskOutcome.failure(failure)
        #expect(try ExecuteTaskOutcome(decoding: executed.encoded()) == executed)
        let settled = SettleOutcome.failure(failure)
        #expect(try SettleOutcome(decoding: settled.encoded()) == settled)
    }

    @Test("say the same after the wire: progress and nothing")
    func others() throws {
        let progress = Progress(phase: .cloning, entries: 12, entriesTotal: 40, frozen: true)
        for response in [
            GetTaskResponse.idle, .running(wsid: "ws-1", fence: 7, progress: progress),
            .running(wsid: "ws-1", fence: 7, progress: Progress(phase: .preparing)),
            .ended(wsid: "ws-1", fence: 7, outcome: .result(Sample.results[0])),
            .ended(wsid: "ws-1", fence: 7, outcome: .failure(Sample.failures[0])),
        ] {
            #expect(try GetTaskResponse(decoding: response.encoded()) == response)
        }
        #expect(try SettleOutcome(decoding: SettleOutcome.notPublished.encoded()) == .notPublished)
        #expect(try GetTaskRequest(decoding: GetTaskRequest(taskID: "t").encoded()) == GetTaskRequest(taskID: "t"))
    }

    @Test("say the same after the wire: the events of a watch")
    func events() throws {
        let outcomes = Sample.results.map { ExecuteTaskOutcome.result($0) } + Sample.failures.map { .failure($0) }
        let progress = Progress(phase: .cloning, entries: 12, entriesTotal: 40, frozen: true)
        for event in [TaskEvent.progress(progress)] + outcomes.map({ .ended($0) }) {
            #expect(try TaskEvent(decoding: event.encoded()) == event)
        }
        for request in [WatchTaskRequest(taskID: "t"), WatchTaskRequest(taskID: "t", fence: .max)] {
            #expect(try WatchTaskRequest(decoding: request.encoded()) == request)
        }
        #expect(throws: WireError(field: "event", reason: "missing, or of a kind unknown here")) {
            try TaskEvent(decoding: [])
        }
    }

    @Test(
        "are refused when they lack what they must have, and the refusal names it",
        arguments: [
            (
                "task_id",
                ExecuteTaskRequest(taskID: "", wsid: "w", fence: 1, requestID: "", operation: Sample.operations[0])
            ),
            (
                "wsid",
                ExecuteTaskRequest(taskID: "t", wsid: "", fence: 1, requestID: "", operation: Sample.operations[0])
            ),
            (
                "fence",
                ExecuteTaskRequest(taskID: "t", wsid: "w", fence: 0, requestID: "", operation: Sample.operations[0])
            ),
            (
                "set_current.live_id",
                ExecuteTaskRequest(
                    taskID: "t", wsid: "w", fence: 1, requestID: "",
                    operation: .setCurrent(snapshotID: "s", liveID: "", discard: false))
            ),
        ])
    func incomplete(field: String, request: ExecuteTaskRequest) {
        #expect(throws: WireError(field: field, reason: "missing")) {
            try ExecuteTaskRequest(decoding: request.encoded())
        }
    }

    @Test("are refused when they are no protobuf, cut short, without an operation, or not UTF-8")
    func malformed() throws {
        let request = ExecuteTaskRequest(
            taskID: "t", wsid: "w", fence: 1, requestID: "r", operation: .snapshotDrop(snapshotID: "s"))
        let bytes = request.encoded()
        #expect(throws: WireError.self) { try ExecuteTaskRequest(decoding: [0xff, 0xff, 0xff]) }
        #expect(throws: WireError.self) { try ExecuteTaskRequest(decoding: []) }
        for count in 0..<bytes.count {
            #expect(throws: WireError.self) { try ExecuteTaskRequest(decoding: Array(bytes.prefix(count))) }
        }
        // Field 1, two bytes that are not UTF-8; the last of equal fields counts.
        #expect(throws: WireError(field: "task_id", reason: "not UTF-8")) {
            try ExecuteTaskRequest(decoding: bytes + [0x0a, 2, 0xc3, 0x28])
        }
        // Field 5 (operation) with field 99: a kind that this program does not know.
        let head = Array(bytes.prefix { $0 != 0x2a })
        #expect(throws: WireError(field: "operation", reason: "missing, or of a kind unknown here")) {
            try ExecuteTaskRequest(decoding: head + [0x2a, 3, 0x9a, 0x06, 0])
        }
    }

    @Test("may carry fields of a newer version, which are ignored")
    func unknownFields() throws {
        let request = GetTaskRequest(taskID: "t")
        #expect(try GetTaskRequest(decoding: request.encoded() + [0x9a, 0x06, 1, 0]) == request)
    }
}
