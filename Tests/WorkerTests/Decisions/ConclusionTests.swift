import Model
import Testing

@testable import Worker

@Suite struct ConclusionTests {
    private static func error(retryable: Bool) -> TaskError {
        TaskError(code: "WVS_EXECUTOR_ERROR", message: "m", retryable: retryable, attempt: 1)
    }

    private static func conclude(_ verdict: Verdict, _ task: TaskRecord) -> Conclusion {
        Conclusion(verdict, of: task, backoff: Backoff())
    }

    @Test func `published work has succeeded, canceled or not`() {
        let verdict = Verdict.published(.initWorkspace(currentPath: "live/x"))
        #expect(Self.conclude(verdict, .example(cancelRequested: true)) == .succeeded)
        #expect(Self.conclude(.dropped(purged: false), .example(cancelRequested: true)) == .succeeded)
    }

    @Test func `a failure is repeated with backoff until the last attempt`() {
        let error = Self.error(retryable: true)
        let delays = (1...5).map { Self.conclude(.failed(error), .example(attempt: $0)).retryAfter }
        #expect(delays == [.seconds(5), .seconds(10), .seconds(20), .seconds(40), nil])
        #expect(Self.conclude(.failed(error), .example(attempt: 5)) == .dead(error))
    }

    @Test func `what cannot heal is dead at once`() {
        let error = Self.error(retryable: false)
        #expect(Self.conclude(.failed(error), .example()) == .dead(error))
    }

    @Test func `a failure of a task that is to be canceled cancels it, whatever the failure`() {
        for retryable in [true, false] {
            let verdict = Verdict.failed(Self.error(retryable: retryable))
            #expect(Self.conclude(verdict, .example(cancelRequested: true)) == .canceled)
        }
    }

    @Test func `only a retry leaves the state of a workspace open`() {
        let error = Self.error(retryable: true)
        #expect(Conclusion.succeeded.workspaceState == .active)
        #expect(Conclusion.dead(error).workspaceState == .initFailed)
        #expect(Conclusion.canceled.workspaceState == .initFailed)
        #expect(Conclusion.retry(error, after: .zero).workspaceState == nil)
    }
}
