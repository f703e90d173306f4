import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite struct CallRegistryTests {
    private let registry = CallRegistry()

    private func call(_ fence: UInt64, wsid: String = "ws-1") throws -> Call {
        try Call(taskID: "task-\(fence)", wsid: wsid, fence: fence)
    }

    @Test func workspacesDoNotWaitForEachOther() async throws {
        let (one, two) = (try call(1), try call(1, wsid: "ws-2"))
        try await registry.begin(one)
        try await registry.begin(two)
        registry.end(one)
        registry.end(two)
    }

    @Test func aHigherFenceStopsTheOlderCallAndAwaitsItsEnd() async throws {
        let (older, newer) = (try call(1), try call(2))
        try await registry.begin(older)
        let turn = Task { try await registry.begin(newer) }
        try await eventually("the older call is stopped") { older.cancellation.isCancelled }
        #expect(registry.running(taskID: "task-2") == nil)
        #expect(older.stopFailure?.code == .fenced && older.stopFailure?.storedFence == 2)
        registry.end(older)
        try await turn.value
        #expect(registry.running(taskID: "task-2") === newer)
        registry.end(newer)
        #expect(registry.running(taskID: "task-2") == nil)
    }

    @Test func aLowerFenceIsRefusedWhileAHigherOneWorks() async throws {
        let (higher, lower) = (try call(5), try call(4))
        try await registry.begin(higher)
        await #expect(throws: FencedOff(stored: 5)) { try await registry.begin(lower) }
        #expect(!higher.cancellation.isCancelled)
        registry.end(higher)
    }

    @Test func aCallRepeatedWithItsFenceWaitsAndStopsNobody() async throws {
        let (first, again) = (try call(3), try call(3))
        try await registry.begin(first)
        let turn = Task { try await registry.begin(again) }
        try await eventually("the repeated call waits") { registry.waiting(wsid: "ws-1") == 1 }
        #expect(!first.cancellation.isCancelled)
        registry.end(first)
        try await turn.value
        registry.end(again)
    }

    @Test func aHigherFenceTurnsWaitingLowerOnesAway() async throws {
        let (first, second, third) = (try call(1), try call(2), try call(3))
        try await registry.begin(first)
        let overtaken = Task { try await registry.begin(second) }
        try await eventually("the second call waits") { registry.waiting(wsid: "ws-1") == 1 }
        let turn = Task { try await registry.begin(third) }
        await #expect(throws: FencedOff(stored: 3)) { try await overtaken.value }
        registry.end(first)
        try await turn.value
        registry.end(third)
    }

    @Test func aWaitingCallThatIsStoppedGivesUpAtOnce() async throws {
        let (first, second) = (try call(1), try call(1))
        try await registry.begin(first)
        let turn = Task { try await registry.begin(second) }
        try await eventually("the second call waits") { registry.waiting(wsid: "ws-1") == 1 }
        registry.stop(second, .deadline)
        await #expect(throws: CancellationError.self) { try await turn.value }
        #expect(second.stopFailure?.code == .executorTimeout)
        registry.end(first)
    }
}
