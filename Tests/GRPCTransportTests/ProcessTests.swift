import Foundation
import GRPCTransport
import RuntimeCore
import TestSupport
import Testing

/// What needs a process of its own, to be measured, stopped or killed.
@Suite("A process")
struct ProcessTests {
    @Test("makes thousands of calls, some given up, without growing, and keeps no thread or socket of a client")
    func leaks() async {
        await #expect(processExitsWith: .success) {
            try await withServer([echo, Stall().method()]) { server in
                try await manyCalls(4000, to: server.address)
                let before = try ProcessState.current()
                for _ in 0..<5 { try await manyCalls(2000, to: server.address) }
                let deadline = MonotonicTime.now + .seconds(20)
                while true {
                    let now = try ProcessState.current()
                    if now.descriptors <= before.descriptors + 1, !now.threads.contains("grpc-client"),
                        now.residentKilobytes < before.residentKilobytes + 8192
                    {
                        return
                    }
                    try #require(deadline.remaining > .zero, "grew from \(before) to \(now)")
                    try await Task.sleep(for: .milliseconds(10))
                }
            }
        }
    }

    @Test("that serves a call and is killed ends it as UNAVAILABLE")
    func serverKilled() async throws {
        let peer = try Peer.serve()
        let client = try await GRPCClient(address: peer.address())
        let stalled = Task { try await client.call("/test.Test/Stall", [1], timeout: .seconds(60)) }
        _ = try await peer.line { $0 == "stalling" }
        peer.signal(SIGKILL)
        #expect(await status { try await stalled.value } == .unavailable)
    }

    @Test("that serves a call and stands still ends it as UNAVAILABLE after keepalive's interval and timeout")
    func serverStopped() async throws {
        let peer = try Peer.serve()
        var configuration = GRPCClient.Configuration()
        configuration.keepalive = GRPCKeepalive(interval: .milliseconds(500), timeout: .milliseconds(500))
        let client = try await GRPCClient(address: peer.address(), configuration: configuration)
        try await eventually(.ok) { try await client.call("/test.Test/Echo", [1], timeout: .seconds(20)) }
        peer.signal(SIGSTOP)
        try await eventually("the peer stands still") {
            try String(contentsOfFile: "/proc/\(peer.pid)/stat", encoding: .utf8).contains(") T ")
        }
        let begun = MonotonicTime.now
        #expect(await status { try await client.call("/test.Test/Echo", [1], timeout: .seconds(60)) } == .unavailable)
        #expect(MonotonicTime.now - begun < .seconds(20))
    }

    @Test("that makes a call and is killed has the handler's task cancelled")
    func clientKilled() async throws {
        let stall = Stall()
        try await withServer([stall.method()]) { server in
            let peer = try Peer.call("/test.Test/Stall", at: server.address)
            await expectOpen(stall.begun, "the call runs")
            peer.signal(SIGKILL)
            await expectOpen(stall.canceled, "the handler's task is cancelled")
        }
    }

    @Test("of another implementation is told which methods there are not")
    func unknownMethod() async throws {
        try await withServer([echo]) { server in
            _ = try await Peer.call("/test.Test/Echo", at: server.address).line { $0 == "OK" }
            _ = try await Peer.call("/test.Test/Nothing", at: server.address).line { $0 == "UNIMPLEMENTED" }
        }
    }
}

/// Tests/Peers/grpc_peer.py.
private enum Peer {
    static func serve() throws -> ProgramProcess { try start(["serve"]) }

    static func call(_ method: String, at address: String) throws -> ProgramProcess {
        try start(["call", address, method])
    }

    private static func start(_ arguments: [String]) throws -> ProgramProcess {
        let script = URL(fileURLWithPath: #filePath).appendingPathComponent("../../Peers/grpc_peer.py").standardized
            .path
        return try ProgramProcess("grpc_peer", at: "/usr/bin/python3", arguments: [script] + arguments)
    }
}

extension ProgramProcess {
    fileprivate func address() async throws -> String {
        let prefix = "listening on "
        return String(try await line { $0.hasPrefix(prefix) }.dropFirst(prefix.count))
    }
}

/// Makes calls of all sizes with a client of its own; every tenth is given up at its deadline.
private func manyCalls(_ count: Int, to address: String) async throws {
    let client = try GRPCClient(address: address)
    let metadata: GRPCMetadata = ["x-request-id": "a value longer than a slice holds inside itself"]
    for _ in 0..<count / 20 {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for size in 0..<20 {
                group.addTask {
                    let message = [UInt8](repeating: 1, count: size * 500)
                    guard size % 10 != 0 else {
                        let ended = await status {
                            try await client.call("/test.Test/Stall", message, timeout: .milliseconds(2))
                        }
                        if ended != .deadlineExceeded { throw GRPCError(ended, "a stalled call ended") }
                        return
                    }
                    let answer = try await client.call(
                        "/test.Test/Echo", message, metadata: metadata, timeout: .seconds(20))
                    if answer.message != message { throw GRPCError(.dataLoss, "another answer") }
                }
            }
            try await group.waitForAll()
        }
    }
}
