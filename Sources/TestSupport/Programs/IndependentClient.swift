private import Foundation
private import Glibc
package import JSON

/// A client of executor.proto that is none of ours: Debian's grpcio and Google's protobuf (`Tests/Peers/executor_client.py`).
package struct IndependentClient: Sendable {
    private let process: ProgramProcess

    /// Starts a call.
    ///
    /// - Parameters:
    ///   - request: in JSON.
    ///   - timeout: the call's deadline in seconds; nil for none.
    package init(_ method: String, _ request: String, at address: String, timeout: Int? = nil) throws {
        let script = URL(fileURLWithPath: #filePath).appendingPathComponent(
            "../../../../Tests/Peers/executor_client.py")
        let arguments =
            [script.standardized.path, address, method, request] + (timeout.map { ["--timeout", "\($0)"] } ?? [])
        process = try ProgramProcess("executor_client", at: "/usr/bin/python3", arguments: arguments)
    }

    /// How the call ended: status, details, response, metadata.
    package func answer(within limit: Duration = .seconds(60)) async throws -> JSONValue {
        try JSONValue(parsing: try await process.line(within: limit) { $0.hasPrefix("{\"details\"") })
    }

    /// What a stream has brought so far.
    package var events: [JSONValue] {
        get throws {
            try process.lines.filter { $0.hasPrefix("{\"event\"") }.compactMap { try JSONValue(parsing: $0)["event"] }
        }
    }

    package var hasEnded: Bool { process.hasEnded }

    /// Cancels the call.
    package func cancel() { process.signal(SIGUSR1) }
}
