/// Why an attempt published nothing.
package struct TaskFailure: Equatable, Sendable {
    /// An open set: a newer executor may answer codes that this program does not know.
    package struct Code: RawRepresentable, Hashable, Sendable {
        package let rawValue: String
        package init(rawValue: String) { self.rawValue = rawValue }

        package static let executorError = Code(rawValue: "WVS_EXECUTOR_ERROR")
        package static let executorTimeout = Code(rawValue: "WVS_EXECUTOR_TIMEOUT")
        package static let badRequest = Code(rawValue: "WVS_BAD_REQUEST")
        package static let notFound = Code(rawValue: "WVS_NOT_FOUND")
        package static let quiesceTimeout = Code(rawValue: "QUIESCE_TIMEOUT")
        package static let quiesceBroken = Code(rawValue: "QUIESCE_BROKEN")
        package static let canceled = Code(rawValue: "CANCELED")
        package static let fenced = Code(rawValue: "FENCED")
    }

    package var code: Code
    package var message: String
    /// False: repeating cannot help.
    package var retryable: Bool
    /// The highest fence the executor has seen for this workspace; with `.fenced` only.
    package var storedFence: UInt64?

    package init(code: Code, message: String, retryable: Bool, storedFence: UInt64? = nil) {
        self.code = code
        self.message = message
        self.retryable = retryable
        self.storedFence = storedFence
    }
}
