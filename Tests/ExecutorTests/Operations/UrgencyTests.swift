import Glibc
import Testing

@testable import Executor

@Suite(.enabled(if: geteuid() == 0, "to be urgent takes CAP_SYS_NICE")) struct UrgencyTests {
    private struct Failure: Error {}

    private var isUrgent: Bool { sched_getscheduler(0) & 0xffff == SCHED_FIFO }

    @Test func aThreadIsUrgentOnlyForWhatItWasAskedTo() {
        #expect(!isUrgent)
        #expect(Urgency.during { isUrgent })
        #expect(!isUrgent)
        #expect(throws: Failure.self) { try Urgency.during { throw Failure() } }
        #expect(!isUrgent)
    }
}
