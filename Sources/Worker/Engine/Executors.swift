import ExecutorRPC
import GRPCTransport
package import RuntimeCore

/// The executors that this worker knows, each behind a connection that is kept.
package final class Executors: Sendable {
    private let clients: [String: ExecutorClient]
    private let routing: Mutex<Routing>
    private let logger: Logger

    /// - Parameter addresses: `host:port`, at least one.
    package init(addresses: [String], logger: Logger) throws {
        precondition(!addresses.isEmpty, "an executor is needed")
        var clients: [String: ExecutorClient] = [:]
        for address in addresses { clients[address] = try ExecutorClient(address: address) }
        self.clients = clients
        routing = Mutex(Routing(addresses: addresses))
        self.logger = logger
    }

    /// The executor for a workspace at this moment: the next in order while the first is down.
    func choose(for wsid: String) -> ExecutorClient {
        let order = routing.withLock { $0.order(for: wsid, at: .now) }
        guard let client = order.first.flatMap({ clients[$0] }) else { preconditionFailure("an executor is needed") }
        return client
    }

    func execute(
        _ request: ExecuteTaskRequest, traceparent: String? = nil, on client: ExecutorClient, deadline: Duration
    ) async -> Result<ExecuteTaskOutcome, GRPCError> {
        await attempt(client) { () async throws(GRPCError) in
            try await client.executeTask(request, traceparent: traceparent, deadline: deadline)
        }
    }

    func settle(
        _ request: SettleRequest, traceparent: String? = nil, on client: ExecutorClient, deadline: Duration
    ) async -> Result<SettleOutcome, GRPCError> {
        await attempt(client) { () async throws(GRPCError) in
            try await client.settle(request, traceparent: traceparent, deadline: deadline)
        }
    }

    /// Remembers whether the executor could be reached.
    private func attempt<Answer: Sendable>(
        _ client: ExecutorClient, _ call: () async throws(GRPCError) -> Answer
    ) async -> Result<Answer, GRPCError> {
        do throws(GRPCError) {
            let answer = try await call()
            routing.withLock { $0.markUp(client.address) }
            return .success(answer)
        } catch {
            if error.status == .unavailable {
                routing.withLock { $0.markDown(client.address, at: .now) }
                logger.warn(
                    "executor unreachable", [.executor: .text(client.address), .error: .text(error.description)])
            }
            return .failure(error)
        }
    }
}
