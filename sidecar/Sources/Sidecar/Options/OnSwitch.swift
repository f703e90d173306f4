private import Glibc

/// What becomes of an agent when `current` has moved to another tree.
enum OnSwitch: Equatable, Sendable {
    /// Nothing but a word to the log and the receipt.
    case none
    case signal(CInt)
    case restart

    static func expected(mayRestart: Bool) -> String {
        mayRestart
            ? "none, signal, signal:NAME such as signal:USR1, or restart"
            : "none, signal, or signal:NAME such as signal:USR1"
    }

    init?(_ text: String) {
        switch text {
        case "none": self = .none
        case "signal": self = .signal(SIGHUP)
        case "restart": self = .restart
        default:
            guard text.hasPrefix("signal:"), let number = Self.number(text.dropFirst("signal:".count)) else {
                return nil
            }
            self = .signal(number)
        }
    }

    /// A signal by its name, with or without SIG, or its number.
    private static func number(_ name: Substring) -> CInt? {
        if let number = CInt(name) { return (1...64).contains(number) ? number : nil }
        let upper = name.uppercased()
        return names[upper.hasPrefix("SIG") ? String(upper.dropFirst(3)) : upper]
    }

    private static let names: [String: CInt] = [
        "HUP": SIGHUP, "INT": SIGINT, "QUIT": SIGQUIT, "ABRT": SIGABRT, "KILL": SIGKILL, "USR1": SIGUSR1,
        "USR2": SIGUSR2, "ALRM": SIGALRM, "TERM": SIGTERM, "CONT": SIGCONT, "URG": SIGURG, "WINCH": SIGWINCH,
        "IO": SIGIO, "PWR": SIGPWR,
    ]
}
