/// Why a command ends without success, and the exit status that says so.
package struct CommandError: Error {
    package enum Status: Int32, Sendable {
        case failed = 1
        case usage = 2
        case notFound = 3
        case unauthorized = 4
        case conflict = 5
        case timedOut = 6
        case taskFailed = 7
        case unreachable = 8
    }

    package let status: Status
    package let message: String
    /// What to do about it; nil where there is nothing to say.
    package let hint: String?

    package init(_ status: Status, _ message: String, hint: String? = nil) {
        self.status = status
        self.message = message
        self.hint = hint
    }
}
