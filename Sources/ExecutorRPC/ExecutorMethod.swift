/// The methods of executor.proto, and the names of metadata that goes with them.
enum ExecutorMethod: String, CaseIterable {
    case executeTask = "/executor.v1.ExecutorService/ExecuteTask"
    case settle = "/executor.v1.ExecutorService/Settle"
    case getTask = "/executor.v1.ExecutorService/GetTask"
    case watchTask = "/executor.v1.ExecutorService/WatchTask"
}

enum MetadataName {
    static let requestID = "x-request-id"
    /// W3C Trace Context.
    static let traceparent = "traceparent"
}
