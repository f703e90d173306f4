import CGRPC
private import Glibc
private import RuntimeCore

/// One use of gRPC core, held by whatever owns one of its objects: the library cleans up after the last.
final class Library: Sendable {
    // Before the first grpc_init, which reads GRPC_VERBOSITY: only errors, unless the operator wants more.
    private static let prepared: Void = {
        setenv("GRPC_VERBOSITY", "ERROR", 0)
        gpr_set_log_function(logCoreMessage)
    }()

    init() {
        Library.prepared
        grpc_init()
    }

    deinit { grpc_shutdown() }
}

/// Brings what gRPC core has to say into the form of our log.
private func logCoreMessage(_ arguments: UnsafeMutablePointer<gpr_log_func_args>?) {
    guard let arguments = arguments?.pointee, let message = arguments.message else { return }
    let logger = Logger(level: .debug)
    let fields: KeyValuePairs<LogKey, LogValue> = [.detail: .text(String(cString: message))]
    switch arguments.severity {
    case GPR_LOG_SEVERITY_ERROR: logger.error("grpc core", fields)
    case GPR_LOG_SEVERITY_INFO: logger.info("grpc core", fields)
    default: logger.debug("grpc core", fields)
    }
}
