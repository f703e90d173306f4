package import RuntimeCore

/// Why an agent could not be frozen or flushed, or a freezer could not be made.
package struct FreezerError: Error, CustomStringConvertible {
    package enum Code: Sendable {
        /// This machine does not offer what was asked for.
        case unavailable
        /// Something still ran when the time was up.
        case notFrozen
        /// A file could not be written back, or was not within the time.
        case flush
        /// The guardian is gone or does not answer: nobody could thaw in our place.
        case guardian
        /// The program could not be started.
        case launch
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

/// Runs system calls and names what they were for.
@discardableResult
func explained<Result>(
    _ code: FreezerError.Code, _ message: @autoclosure () -> String, _ body: () throws(SystemError) -> Result
) throws(FreezerError) -> Result {
    do {
        return try body()
    } catch {
        throw FreezerError(code, message(), cause: error)
    }
}
