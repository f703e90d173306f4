import Model
import RuntimeCore
import Store
import Testing

@testable import Worker

@Suite struct TimerTests {
    private let start = MonotonicTime(nanoseconds: 1_000_000_000)

    @Test func `a lease is let go of before it ends, counted from before it was asked for`() {
        var book = LeaseBook(lease: .seconds(15))
        book.hold(1, askedAt: start)
        #expect(book.period == .seconds(5))
        #expect(book.nextDeadline == start + .seconds(12))
        #expect(book.expire(at: start + .seconds(11)).isEmpty)
        #expect(book.expire(at: start + .seconds(12)) == [1])
        #expect(book.expire(at: start + .seconds(13)).isEmpty)
    }

    @Test func `a renewal extends a lease, a release forgets it`() {
        var book = LeaseBook(lease: .seconds(15))
        book.hold(1, askedAt: start)
        book.hold(2, askedAt: start)
        book.hold(1, askedAt: start + .seconds(5))
        book.release(2)
        #expect(book.expire(at: start + .seconds(16)).isEmpty)
        #expect(book.nextDeadline == start + .seconds(17))
    }

    @Test func `a worker is dead after silence without a renewal, not before`() {
        let silent = Self.silent(lease: 1)
        var watch = SilenceWatch(patience: .seconds(7))
        #expect(watch.observe([silent], at: start).isEmpty)
        #expect(watch.observe([silent], at: start + .seconds(6)).isEmpty)
        #expect(watch.observe([silent], at: start + .seconds(7)) == [silent.ownership])
    }

    @Test func `a renewal, or a sign of life, begins the silence anew`() {
        var watch = SilenceWatch(patience: .seconds(7))
        _ = watch.observe([Self.silent(lease: 1)], at: start)
        #expect(watch.observe([Self.silent(lease: 2)], at: start + .seconds(8)).isEmpty)
        _ = watch.observe([], at: start + .seconds(9))
        #expect(watch.observe([Self.silent(lease: 2)], at: start + .seconds(16)).isEmpty)
    }

    @Test func `silence from before the database went away proves nothing`() {
        var watch = SilenceWatch(patience: .seconds(7))
        _ = watch.observe([Self.silent(lease: 1)], at: start)
        watch.reset()
        #expect(watch.observe([Self.silent(lease: 1)], at: start + .seconds(8)).isEmpty)
    }

    @Test func `an empty queue is looked at rarely, but when a retry is due or a lock may be gone`() {
        let schedule = PollSchedule(interval: .seconds(1), idleBackoff: .seconds(5))
        #expect(schedule.delay(found: true, nextDue: nil) == PollSchedule.lockPause)
        #expect(schedule.delay(found: false, nextDue: nil) == .seconds(5))
        #expect(schedule.delay(found: false, nextDue: .milliseconds(300)) == .milliseconds(300))
        #expect(schedule.delay(found: false, nextDue: .seconds(60)) == .seconds(5))
        #expect(schedule.delay(found: false, nextDue: .zero) == PollSchedule.lockPause)
    }

    @Test func `a cancellation that is heard of before the claim is answered reaches the task`() {
        let held = HeldTasks(lease: .seconds(15), onRelease: {})
        held.requestCancel("early", at: start)
        held.requestCancel("meanwhile", at: start + .seconds(2))
        for (taskID, isCanceled) in [("early", false), ("meanwhile", true), ("other", false)] {
            let record = TaskRecord(
                taskID: taskID, wsid: "ws-1", operation: .snapshotCreate, status: .running, idempotencyKey: taskID,
                requestHash: "", requestID: nil, createdAt: Timestamp(microseconds: 0), maxAttempts: 5,
                nextRunAt: Timestamp(microseconds: 0), timeoutSeconds: 300, params: [:])
            let task = HeldTask(ClaimedTask(task: record, fence: 1, previousStatus: .pending))
            _ = held.hold(task, askedAt: start + .seconds(1))
            #expect(task.cancelRequested == isCanceled)
        }
    }

    private static func silent(lease: Int64) -> SilentTask {
        SilentTask(
            ownership: TaskFence(taskID: "t", fence: 1), leaseExpiresAt: Timestamp(microseconds: lease))
    }
}
