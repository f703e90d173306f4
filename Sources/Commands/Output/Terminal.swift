private import Glibc
private import RuntimeCore

/// Where a command's words go: data to standard output, everything else to standard error; colours only where a person sees
/// them.
struct Terminal {
    enum ColorMode: String, CaseIterable { case auto, always, never }

    enum Color: String {
        case red = "31"
        case green = "32"
        case yellow = "33"
        case cyan = "36"
        case dim = "2"
        case bold = "1"
    }

    /// Whether standard output is painted.
    let usesColor: Bool
    /// Standard error is a terminal, so that a line may be drawn over.
    let showsProgress: Bool

    init(color: ColorMode, environment: [String: String]) {
        // https://no-color.org: present and not empty.
        let refused = environment["NO_COLOR"].map { !$0.isEmpty } ?? false
        switch color {
        case .always: usesColor = true
        case .never: usesColor = false
        case .auto: usesColor = !refused && environment["TERM"] != "dumb" && isatty(STDOUT_FILENO) == 1
        }
        showsProgress = isatty(STDERR_FILENO) == 1 && environment["TERM"] != "dumb"
    }

    func paint(_ text: String, _ color: Color) -> String {
        usesColor ? "\u{1b}[\(color.rawValue)m\(text)\u{1b}[0m" : text
    }

    /// A state in the colour of its meaning.
    func paint(state: String) -> String {
        switch state {
        case "ACTIVE", "SUCCEEDED": paint(state, .green)
        case "PENDING", "RUNNING", "PROVISIONING": paint(state, .yellow)
        case "FAILED", "DEAD", "INIT_FAILED": paint(state, .red)
        default: state
        }
    }

    /// Asks before something is destroyed; where nobody sits at a terminal it is as good as told.
    func confirm(_ sentence: String) throws(CommandError) {
        guard isatty(STDIN_FILENO) == 1, isatty(STDERR_FILENO) == 1 else { return }
        writeToStandardError("\(sentence)? [y/N] ")
        let answer = readLine()?.lowercased() ?? ""
        guard answer == "y" || answer == "yes" else { throw CommandError(.failed, "not done") }
    }

    func say(_ text: String) { writeToStandardError(text + "\n") }

    /// Draws over the line that the last call drew; an empty text wipes it.
    func progress(_ text: String) {
        if showsProgress { writeToStandardError("\r\u{1b}[K" + text) }
    }
}
