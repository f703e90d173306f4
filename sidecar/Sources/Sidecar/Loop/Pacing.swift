private import Glibc
import Quiesce
import RuntimeCore

/// How long a participant may be left alone.
struct Pacing {
    private let interval: Duration

    /// How often to look although inotify tells of every change: what it does not tell is found at last.
    private static let noticedInterval = Duration.seconds(5)

    /// - Parameter isNoticed: every change is told by inotify.
    init(interval: Duration, isNoticed: Bool) {
        self.interval = isNoticed ? max(interval, Self.noticedInterval) : interval
    }

    /// While nothing is under way.
    var idle: Duration { interval }

    func timeout(_ pace: Participant.Pace) -> Duration {
        switch pace {
        case .idle: interval
        case .within(let duration): duration
        }
    }
}
