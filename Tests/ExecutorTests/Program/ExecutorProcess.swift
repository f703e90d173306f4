import ExecutorRPC
import Foundation
import RuntimeCore
import TestSupport

@testable import Executor

/// wvs-executor as a process on a scratch mount, and a client of it.
final class ExecutorProcess: Sendable {
    let process: ProgramProcess
    let client: ExecutorClient

    /// Returns once it listens.
    init(_ scratch: ScratchMount, failpoint: String? = nil, settings: [String: String] = [:]) async throws {
        var environment = [
            "EXECUTOR_MOUNT_PATH": scratch.path, "EXECUTOR_VOLUME": "any", "EXECUTOR_ID": "executor-1",
            "EXECUTOR_GRPC_ADDR": "127.0.0.1:0", "EXECUTOR_METRICS_ADDR": "127.0.0.1:0", "EXECUTOR_FREEZE_LEASE": "60s",
        ]
        environment["WVS_FAILPOINT"] = failpoint
        environment.merge(settings) { $1 }
        process = try ProgramProcess("wvs-executor", environment: environment)
        client = try ExecutorClient(address: try await process.address("grpc").description)
    }

    /// Waits until it stands still at a failpoint: a SIGCONT that comes before is lost.
    func isStopped(at failpoint: String) async throws {
        _ = try await process.line(within: .seconds(60)) { $0 == "failpoint \(failpoint)" }
        try await eventually("it is stopped") {
            try String(contentsOfFile: "/proc/\(self.process.pid)/stat", encoding: .utf8).contains(") T ")
        }
    }

    func execute(_ operation: Operation, fence: UInt64, deadline: Duration = .seconds(20)) async throws
        -> ExecuteTaskOutcome
    {
        try await client.executeTask(
            ExecuteTaskRequest(
                taskID: Ids.task, wsid: "ws-1", fence: fence, requestID: "request-1", operation: operation),
            deadline: deadline)
    }

    func settle(_ operation: Operation, fence: UInt64) async throws -> SettleOutcome {
        try await client.settle(
            SettleRequest(
                taskID: Ids.task, wsid: "ws-1", fence: fence, requestID: "request-1", operation: operation),
            deadline: .seconds(20))
    }
}
