import GRPCTransport

/// What a call that ended without an answer says about the attempt.
enum CallFailure: Equatable, Sendable {
    /// Nothing was done, and repeating cannot help.
    case rejected(String)
    /// No connection, or it broke: another executor may be asked.
    case unreachable(String)
    case deadline
    /// By this worker.
    case canceled
    case unknown(String)

    init(_ error: GRPCError) {
        switch error.status {
        case .invalidArgument, .unimplemented: self = .rejected(error.message)
        case .unavailable: self = .unreachable(error.message)
        case .deadlineExceeded: self = .deadline
        case .canceled: self = .canceled
        default: self = .unknown(error.description)
        }
    }
}
