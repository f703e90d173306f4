private import Glibc
import Quiesce
import RuntimeCore

/// How long a participant may be left alone.
struct Pacing {
    private let interval: Duration
    private let isNoticed: Bool

    /// - Parameter isNoticed: every change is told by inotify, so that nothing needs to be polled.
    init(interval: Duration, isNoticed: Bool) {
        self.interval = interval
        self.isNoticed = isNoticed
    }

    /// Nil for good.
    func timeout(_ pace: Participant.Pace) -> Duration? {
        switch pace {
        case .idle: isNoticed ? nil : interval
        case .within(let duration): duration
        }
    }
}
