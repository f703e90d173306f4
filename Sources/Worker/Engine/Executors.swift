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

    /// The executor for a workspace at this moment.
    func choose(for wsid: String) -> ExecutorClient { ranked(for: wsid)[0] }

    /// Asks one executor after the other, as long as they cannot be reached.
    func settle(_ request: SettleRequest, deadline: Duration) async -> (Result<SettleOutcome, GRPCError>, by: String) {
        let clients = ranked(for: request.wsid)
        for client in clients.dropLast() {
            let result = await attempt(client) { () async throws(GRPCError) in
                try await client.settle(request, deadline: deadline)
            }
            if case .failure(let error) = result, error.status == .unavailable { continue }
            return (result, client.address)
        }
        let last = clients[clients.count - 1]
        let result = await attempt(last) { () async throws(GRPCError) in
            try await last.settle(request, deadline: deadline)
        }
        return (result, last.address)
    }

    func execute(
        _ request: ExecuteTaskRequest, on client: ExecutorClient, deadline: Duration
    ) async -> Result<ExecuteTaskOutcome, GRPCError> {
        await attempt(client) { () async throws(GRPCError) in
            try await client.executeTask(request, deadline: deadline)
        }
    }

    private func ranked(for wsid: String) -> [ExecutorClient] {
        routing.withLock { $0.order(for: wsid, at: .now) }.compactMap { clients[$0] }
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
