package import RuntimeCore

/// Why the sidecar can not do its work.
package struct SidecarError: Error, CustomStringConvertible {
    package enum Code: Sendable {
        /// The workspace can not be used as it is.
        case workspace
        /// The agent can not be started.
        case launch
        /// This machine lacks something.
        case machine
    }

    package let code: Code
    package let message: String
    package let cause: SystemError?

    package init(_ code: Code, _ message: String, cause: SystemError? = nil) {
        self.code = code
        self.message = message
        self.cause = cause
    }

    package var description: String { cause.map { "\(message): \($0)" } ?? message }
}
