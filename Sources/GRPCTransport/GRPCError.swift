/// How a call ended, with gRPC's numbers (https://grpc.io/docs/guides/status-codes/).
package enum GRPCStatus: Int32, Sendable {
    case ok = 0
    case canceled, unknown, invalidArgument, deadlineExceeded, notFound, alreadyExists, permissionDenied
    case resourceExhausted, failedPrecondition, aborted, outOfRange, unimplemented, `internal`, unavailable
    case dataLoss, unauthenticated
}

/// A call that ended with a status other than OK.
package struct GRPCError: Error, Equatable, CustomStringConvertible {
    package let status: GRPCStatus
    package let message: String

    package init(_ status: GRPCStatus, _ message: String) {
        self.status = status
        self.message = message
    }

    package var description: String { "\(status): \(message)" }
}
