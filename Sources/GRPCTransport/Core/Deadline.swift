import CGRPC
import RuntimeCore

/// A point of time for the C core; nil is never.
func coreDeadline(after timeout: Duration?) -> gpr_timespec {
    guard let timeout else { return gpr_inf_future(GPR_CLOCK_MONOTONIC) }
    return gpr_time_add(
        gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(timeout.wholeMilliseconds, GPR_TIMESPAN))
}

/// A point of time of the C core; nil for never.
func monotonicTime(_ deadline: gpr_timespec) -> MonotonicTime? {
    let deadline = gpr_convert_clock_type(deadline, GPR_CLOCK_MONOTONIC)
    guard gpr_time_cmp(deadline, gpr_inf_future(GPR_CLOCK_MONOTONIC)) < 0 else { return nil }
    let left = gpr_time_sub(deadline, gpr_now(GPR_CLOCK_MONOTONIC))
    // A caller may name any time; 68 years are as good as never, and can be counted in nanoseconds.
    return .now + .seconds(min(left.tv_sec, Int64(Int32.max))) + .nanoseconds(Int64(left.tv_nsec))
}
