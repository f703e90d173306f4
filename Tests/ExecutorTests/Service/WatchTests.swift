import ExecutorRPC
import GRPCTransport
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite struct WatchTests {
    private let snapshot = Operation.snapshotCreate(snapshotID: Ids.snapshot, message: "")

    /// Watches on a task of its own, and tells what has come so far.
    private final class Watcher: Sendable {
        private let seen = Mutex<[TaskEvent]>([])

        var events: [TaskEvent] { seen.withLock { $0 } }
        var progress: [Progress] {
            events.compactMap { if case .progress(let progress) = $0 { progress } else { nil } }
        }

        func watch(_ rig: Rig, fence: UInt64? = nil) -> Task<Void, any Error> {
            Task {
                try await rig.executor.watchTask(
                    WatchTaskRequest(taskID: Ids.task, fence: fence), context: CallContext()
                ) { event in self.seen.withLock { $0.append(event) } }
            }
        }
    }

    @Test func aWatchSeesThePhasesTheFreezeAndTheOutcome() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        for index in 0..<300 { try rig.scratch.write("", to: "ws-1/current/\(index)") }
        let call = Task { try await rig.execute(snapshot, fence: 2) }
        try await eventually("it waits for a sidecar") { try await rig.phase == .quiescing }
        let watcher = Watcher()
        let watch = watcher.watch(rig, fence: 2)
        try await eventually("the first event is there") { watcher.progress.first?.phase == .quiescing }
        rig.engine.close()
        let sidecar = try await Sidecar(rig.scratch)
        try await eventually("the clone is seen") { watcher.progress.contains { $0.phase == .cloning && $0.frozen } }
        rig.engine.open()
        let outcome = try await call.value
        try await watch.value
        #expect(watcher.events.last == .ended(outcome))
        #expect(watcher.progress.last?.frozen == false)
        #expect(watcher.progress.map(\.entries).max() == 300)
        #expect(watcher.progress.map(\.entries) == watcher.progress.map(\.entries).sorted())
        try await sidecar.stop()
    }

    @Test func anEndedAttemptAnswersAtOnceAndIsFetchedToo() async throws {
        let rig = try await Rig()
        let outcome = try await rig.execute(.initWorkspace(liveID: Ids.live, owner: nil), fence: 1)
        let watcher = Watcher()
        try await watcher.watch(rig).value
        #expect(watcher.events == [.ended(outcome)])
        let fetched = try await rig.executor.getTask(GetTaskRequest(taskID: Ids.task), context: CallContext())
        #expect(fetched == .ended(wsid: "ws-1", fence: 1, outcome: outcome))
    }

    @Test(arguments: [nil, 1, 3] as [UInt64?])
    func aWatchOfAnAttemptThatIsNotThereIsNotFound(fence: UInt64?) async throws {
        let rig = try await Rig()
        if fence != nil {
            try await rig.makeWorkspace()
            _ = try await rig.execute(.snapshotDrop(snapshotID: Ids.snapshot), fence: 2)
        }
        await #expect(throws: GRPCError(.notFound, "no such attempt of task \(Ids.task) is known here")) {
            try await Watcher().watch(rig, fence: fence).value
        }
    }

    @Test func aWatcherThatGoesEndsTheWatchAndNotTheAttempt() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        let call = Task { try await rig.execute(snapshot, fence: 2) }
        try await eventually("it waits for a sidecar") { try await rig.phase == .quiescing }
        let watch = Watcher().watch(rig)
        watch.cancel()
        await #expect(throws: CancellationError.self) { try await watch.value }
        let sidecar = try await Sidecar(rig.scratch)
        #expect(try await call.value.snapshot != nil)
        try await sidecar.stop()
    }

    @Test func onlySoManyEndedAttemptsAreRemembered() throws {
        let book = AttemptBook(capacity: 2)
        let calls = try (1...3).map { try Call(taskID: "task-\($0)", wsid: "ws-1", fence: 1) }
        for call in calls {
            book.begin(call)
            book.end(call, .unknown("test"))
        }
        #expect(book.newest(of: "task-1") == nil)
        #expect(book.newest(of: "task-2") != nil && book.newest(of: "task-3") != nil)
        // A later attempt is not forgotten with an earlier one of its task.
        let again = try Call(taskID: "task-2", wsid: "ws-1", fence: 2)
        book.begin(again)
        for number in 4...9 {
            let call = try Call(taskID: "task-\(number)", wsid: "ws-1", fence: 1)
            book.begin(call)
            book.end(call, .unknown("test"))
        }
        #expect(book.newest(of: "task-2")?.fence == 2)
        let late = try Call(taskID: "task-2", wsid: "ws-1", fence: 1)
        book.begin(late)
        #expect(book.newest(of: "task-2")?.fence == 2)
    }
}

extension Rig {
    fileprivate var phase: Progress.Phase? {
        get async throws {
            let answer = try await executor.getTask(GetTaskRequest(taskID: Ids.task), context: CallContext())
            return if case .running(_, _, let progress) = answer { progress.phase } else { nil }
        }
    }
}
