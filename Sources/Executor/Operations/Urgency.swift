private import CShims

/// The calling thread's place in the scheduler.
enum Urgency {
    /// Runs `body` before all that can wait, where that is allowed (CAP_SYS_NICE): on a busy machine a thread waits milliseconds for
    /// its turn, and agents stand still meanwhile. For what is short; threads that are started in it are as any.
    static func during<Result>(_ body: () throws -> Result) rethrows -> Result {
        let isUrgent = wvs_become_realtime() == 0
        defer { if isUrgent { wvs_leave_realtime() } }
        return try body()
    }
}
