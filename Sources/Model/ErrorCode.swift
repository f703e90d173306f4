/// The error codes of the API with their HTTP status (seeds 04).
package enum ErrorCode: String, CaseIterable, Sendable {
    case badRequest = "WVS_BAD_REQUEST"
    case unauthorized = "WVS_UNAUTHORIZED"
    case forbidden = "WVS_FORBIDDEN"
    case notFound = "WVS_NOT_FOUND"
    case conflictLocked = "WVS_CONFLICT_LOCKED"
    case conflictIdempotentMismatch = "WVS_CONFLICT_IDEMPOTENT_MISMATCH"
    case conflictExists = "WVS_CONFLICT_EXISTS"
    case conflictSnapshotInUse = "WVS_CONFLICT_SNAPSHOT_IN_USE"
    case gone = "WVS_GONE"
    case preconditionFailed = "WVS_PRECONDITION_FAILED"
    case `internal` = "WVS_INTERNAL"
    case executorError = "WVS_EXECUTOR_ERROR"
    case executorTimeout = "WVS_EXECUTOR_TIMEOUT"

    package var httpStatus: Int {
        switch self {
        case .badRequest: 400
        case .unauthorized: 401
        case .forbidden: 403
        case .notFound: 404
        case .conflictLocked, .conflictIdempotentMismatch, .conflictExists, .conflictSnapshotInUse: 409
        case .gone: 410
        case .preconditionFailed: 412
        case .internal: 500
        case .executorError: 502
        case .executorTimeout: 504
        }
    }
}
