import Glibc
import GRPCTransport
import RuntimeCore

/// Makes thousands of calls between a client and a server of one process, and fails if that process grows: exit status 1. It
/// is a program because what a test runner does beside would be measured too.
@main
enum GRPCSoak {
    static func main() async {
        do {
            try await run()
        } catch {
            writeToStandardError("grpc-soak: \(error)\n")
            exit(1)
        }
    }

    private static func run() async throws {
        let echo = GRPCMethod("/soak/Echo", maxConcurrentCalls: 64) { request in GRPCResponse(message: request.message)
        }
        let stall = GRPCMethod("/soak/Stall", maxConcurrentCalls: 64) { _ in
            try await Task.sleep(for: .seconds(60))
            return GRPCResponse(message: [])
        }
        let server = try GRPCServer(address: "127.0.0.1:0", methods: [echo, stall], logger: Logger(level: .error))
        let serving = Task { try await server.run() }
        let address = "127.0.0.1:\(server.port)"
        try await manyCalls(4000, to: address)
        let before = try ProcessState.current()
        for _ in 0..<5 { try await manyCalls(2000, to: address) }
        let deadline = MonotonicTime.now + .seconds(20)
        var now = try ProcessState.current()
        while now.descriptors > before.descriptors + 1 || now.threads.contains("grpc-client")
            || now.residentKilobytes >= before.residentKilobytes + 8192
        {
            guard deadline.remaining > .zero else {
                throw GRPCError(.resourceExhausted, "grew from \(before) to \(now)")
            }
            try await Task.sleep(for: .milliseconds(10))
            now = try ProcessState.current()
        }
        print("10000 calls: from \(before) to \(now)")
        serving.cancel()
        _ = await serving.result
    }

    /// Calls of all sizes with a client of its own; every tenth is given up at its deadline.
    private static func manyCalls(_ count: Int, to address: String) async throws {
        let client = try GRPCClient(address: address)
        let metadata: GRPCMetadata = ["x-request-id": "a value longer than a slice holds inside itself"]
        for _ in 0..<count / 20 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for size in 0..<20 {
                    group.addTask { try await call(client, size: size, metadata) }
                }
                try await group.waitForAll()
            }
        }
    }

    private static func call(_ client: GRPCClient, size: Int, _ metadata: GRPCMetadata) async throws {
        let message = [UInt8](repeating: 1, count: size * 500)
        guard size % 10 == 0 else {
            let answer = try await client.call("/soak/Echo", message, metadata: metadata, timeout: .seconds(20))
            if answer.message != message { throw GRPCError(.dataLoss, "another answer") }
            return
        }
        do {
            _ = try await client.call("/soak/Stall", message, timeout: .milliseconds(2))
        } catch  where error.status == .deadlineExceeded {
            return
        }
        throw GRPCError(.internal, "a stalled call did not end at its deadline")
    }
}
