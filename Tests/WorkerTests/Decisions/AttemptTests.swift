import ExecutorRPC
import GRPCTransport
import Model
import RuntimeCore
import Testing

@testable import Worker

@Suite struct AttemptTests {
    private static func attempt(_ operation: TaskOperation = .snapshotCreate, number: Int = 1) -> Attempt {
        Attempt(of: .example(operation, attempt: number), settleBackoff: Backoff(base: .seconds(1), limit: .seconds(4)))
    }

    private let published = TaskResult.example(for: .snapshotCreate(snapshotID: "s", message: ""))

    @Test func `a claimed task is executed, one that was taken over is settled`() {
        #expect(Self.attempt().begin(takenOver: false) == .execute)
        #expect(Self.attempt().begin(takenOver: true) == .settle(after: .zero))
    }

    @Test func `a drop begins with its mark, also when taken over`() {
        #expect(Self.attempt(.snapshotDrop).begin(takenOver: false) == .mark)
        #expect(Self.attempt(.snapshotDrop).begin(takenOver: true) == .mark)
    }

    @Test(arguments: [CallFailure.deadline, .unreachable("x"), .canceled, .unknown("x")])
    func `an unknown outcome is settled under a new fence, never failed`(failure: CallFailure) {
        var attempt = Self.attempt()
        #expect(attempt.next(after: .executionUnknown(failure, by: "a")) == .raiseFence(above: 0))
        #expect(attempt.next(after: .fenceRaised) == .settle(after: .zero))
        #expect(attempt.next(after: .settled(.published(published), by: "a")) == .finish(.published(published)))
    }

    @Test func `a timeout that published nothing is a retryable failure of its own code`() {
        var attempt = Self.attempt(number: 2)
        _ = attempt.next(after: .executionUnknown(.deadline, by: "a"))
        _ = attempt.next(after: .fenceRaised)
        guard case .finish(.failed(let error)) = attempt.next(after: .settled(.notPublished, by: "a")) else {
            Issue.record("not failed")
            return
        }
        #expect(error.code == "WVS_EXECUTOR_TIMEOUT")
        #expect(error.retryable)
        #expect(error.attempt == 2)
    }

    @Test func `settling is repeated with growing pauses until somebody knows`() {
        var attempt = Self.attempt()
        let pauses = (0..<4).map { _ in attempt.next(after: .settlingFailed(.unreachable("x"))) }
        #expect(pauses == [1, 2, 4, 4].map { .settle(after: .seconds($0)) })
        let quota = TaskFailure(code: .executorError, message: "quota exceeded", retryable: false)
        for failure in [TaskFailure.busy, quota] {
            #expect(attempt.next(after: .settled(.failure(failure), by: "a")) == .settle(after: .seconds(4)))
        }
    }

    @Test func `an executor that knows no such workspace ends the task`() {
        var attempt = Self.attempt()
        guard case .finish(.failed(let error)) = attempt.next(after: .settled(.failure(.hopeless), by: "a")) else {
            Issue.record("not failed")
            return
        }
        #expect(!error.retryable)
    }

    @Test func `a lower fence than the executor's is raised above it a bounded number of times`() {
        var attempt = Self.attempt()
        for _ in 0..<3 {
            #expect(attempt.next(after: .executed(.failure(.fenced(9)), by: "a")) == .raiseFence(above: 9))
            #expect(attempt.next(after: .fenceRaised) == .execute)
        }
        guard case .finish(.failed(let error)) = attempt.next(after: .executed(.failure(.fenced(9)), by: "a")) else {
            Issue.record("goes on for ever")
            return
        }
        #expect(error.retryable)
        #expect(error.code == "WVS_EXECUTOR_ERROR")
    }

    @Test func `a fence that is refused while settling is raised, and settling goes on after a pause`() {
        var attempt = Self.attempt()
        #expect(attempt.next(after: .settled(.failure(.fenced(9)), by: "a")) == .raiseFence(above: 9))
        #expect(attempt.next(after: .fenceRaised) == .settle(after: .seconds(1)))
    }

    @Test func `another executor goes on within the attempt, once, where the first is down`() {
        var attempt = Self.attempt()
        for by in ["b", "a"] {
            _ = attempt.next(after: .executionUnknown(.unreachable("x"), by: by == "b" ? "a" : "b"))
            _ = attempt.next(after: .fenceRaised)
            let step = attempt.next(after: .settled(.notPublished, by: by))
            if by == "b" { #expect(step == .execute) } else { #expect(step != .execute) }
        }
    }

    @Test func `the same executor, back again, does not go on within the attempt`() {
        var attempt = Self.attempt()
        _ = attempt.next(after: .executionUnknown(.unreachable("x"), by: "a"))
        _ = attempt.next(after: .fenceRaised)
        #expect(attempt.next(after: .settled(.notPublished, by: "a")) != .execute)
    }

    @Test func `a cancellation before any call needs no executor, one after a call is settled`() {
        var fresh = Self.attempt()
        guard case .finish(.failed) = fresh.cancel() else {
            Issue.record("asks an executor")
            return
        }
        var called = Self.attempt()
        _ = called.next(after: .executed(.failure(.fenced(9)), by: "a"))
        #expect(called.cancel() == .settle(after: .zero))
    }

    @Test func `once marked, a drop succeeds whatever becomes of the directory`() {
        let outcomes: [(Attempt.Event, Bool)] = [
            (.executed(.result(.snapshotDrop(alreadyGone: true)), by: "a"), true),
            (.executed(.failure(.hopeless), by: "a"), false),
            (.executionUnknown(.deadline, by: "a"), false),
            (.executionUnknown(.rejected("x"), by: "a"), false),
        ]
        for (event, purged) in outcomes {
            var attempt = Self.attempt(.snapshotDrop)
            #expect(attempt.next(after: .marked) == .execute)
            #expect(attempt.next(after: event) == .finish(.dropped(purged: purged)))
        }
    }

    @Test func `who owns a task no longer writes nothing`() {
        var attempt = Self.attempt()
        #expect(attempt.next(after: .disowned) == .release)
    }

    @Test func `a result for another operation is not believed`() {
        var attempt = Self.attempt(.setCurrent)
        guard case .finish(.failed) = attempt.next(after: .executed(.result(published), by: "a")) else {
            Issue.record("believed")
            return
        }
    }

    @Test func `statuses say what is known of the outcome`() {
        #expect(CallFailure(GRPCError(.invalidArgument, "m")) == .rejected("m"))
        #expect(CallFailure(GRPCError(.unimplemented, "m")) == .rejected("m"))
        #expect(CallFailure(GRPCError(.unavailable, "m")) == .unreachable("m"))
        #expect(CallFailure(GRPCError(.deadlineExceeded, "m")) == .deadline)
        #expect(CallFailure(GRPCError(.canceled, "m")) == .canceled)
        for status in [GRPCStatus.unknown, .internal, .resourceExhausted, .aborted, .dataLoss] {
            guard case .unknown = CallFailure(GRPCError(status, "m")) else {
                Issue.record("\(status) taken for something known")
                return
            }
        }
    }
}

extension TaskRecord {
    static func example(
        _ operation: TaskOperation = .snapshotCreate, attempt: Int = 1, cancelRequested: Bool = false
    ) -> TaskRecord {
        TaskRecord(
            taskID: "t", wsid: "ws-1", operation: operation, status: .running, idempotencyKey: "k", requestHash: "h",
            requestID: "r", createdAt: .now, attempt: attempt, nextRunAt: .now, cancelRequested: cancelRequested)
    }
}
