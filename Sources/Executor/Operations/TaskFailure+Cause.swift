package import ExecutorRPC
private import Glibc
import Quiesce
import RuntimeCore

/// An operation throws it where it knows that nothing is published.
extension TaskFailure: Error {}

extension TaskFailure {
    /// What went wrong while nothing was published yet, in the words of executor.proto.
    init(cause error: any Error) {
        switch error {
        case let failure as TaskFailure: self = failure
        case let fenced as FencedOff: self.init(fenced)
        case let quiesce as QuiesceError: self.init(quiesce)
        case let system as SystemError: self.init(system)
        case let nested as NestedSubvolumes:
            // Whoever made them has to remove them: repeating does not help.
            self.init(code: .executorError, message: nested.description, retryable: false)
        case is CancellationError: self.init(code: .canceled, message: "canceled", retryable: true)
        default: self.init(code: .executorError, message: String(describing: error), retryable: true)
        }
    }

    init(_ fenced: FencedOff) {
        self.init(
            code: .fenced, message: "a newer attempt has taken the workspace over", retryable: false,
            storedFence: fenced.stored)
    }

    private init(_ error: QuiesceError) {
        switch error {
        case .timeout: self.init(code: .quiesceTimeout, message: error.description, retryable: true)
        case .broken, .refused: self.init(code: .quiesceBroken, message: error.description, retryable: true)
        case .canceled: self.init(code: .canceled, message: error.description, retryable: true)
        case .io(let error): self.init(error)
        }
    }

    /// A full disk or a lost device may heal; an exceeded quota does not by waiting.
    private init(_ error: SystemError) {
        self.init(code: .executorError, message: error.description, retryable: error.errno != EDQUOT)
    }
}

/// It went wrong at or after the commit point: whether the work is published is for Settle to find out.
struct OutcomeUnknown: Error, CustomStringConvertible {
    let cause: any Error

    var description: String { "whether it is published is not known: \(cause)" }

    /// Runs what comes after a commit point.
    static func guarding<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            throw OutcomeUnknown(cause: error)
        }
    }
}
