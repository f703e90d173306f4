import HTTPServer
import Model
import Postgres
import Store

/// Why a request is refused, in the terms of the contract (seeds 04).
struct APIError: Error, Equatable {
    let code: ErrorCode
    /// Where the code's own status does not say it all.
    let status: Int
    /// For the client, in a sentence.
    let detail: String
    let taskID: String?

    init(_ code: ErrorCode, _ detail: String, status: Int? = nil, taskID: String? = nil) {
        self.code = code
        self.status = status ?? code.httpStatus
        self.detail = detail
        self.taskID = taskID
    }

    static func badRequest(_ detail: String) -> APIError { APIError(.badRequest, detail) }

    static func noWorkspace(_ wsid: String) -> APIError { APIError(.notFound, "there is no workspace \(wsid)") }

    static func noSnapshot(_ snapshotID: String, in wsid: String) -> APIError {
        APIError(.notFound, "there is no snapshot \(snapshotID) in workspace \(wsid)")
    }

    static func noTask(_ taskID: String) -> APIError { APIError(.notFound, "there is no task \(taskID)") }

    /// What the server refused before any handler saw it.
    init(_ refusal: Refusal) {
        let code: ErrorCode =
            switch refusal.status {
            case 404: .notFound
            case 503: .internal
            default: .badRequest
            }
        self.init(code, refusal.detail, status: refusal.status)
    }

    /// What a client may know of a failure that is ours; the log knows the rest.
    init(hiding error: any Error) {
        if let error = error as? PostgresError, error.isUnavailable {
            self.init(.internal, "the database can not be reached at the moment; try again", status: 503)
        } else if let error = error as? PostgresError, error.isLockTimeout {
            self.init(.internal, "what this request changes is locked for too long; try again", status: 503)
        } else {
            self.init(.internal, "something went wrong in the service; the log knows this request by its id")
        }
    }
}
