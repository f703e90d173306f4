import Foundation
import GRPCTransport
import RuntimeCore
import TestSupport
import Testing

/// What needs a process of its own, to be measured, stopped or killed.
@Suite("A process")
struct ProcessTests {
    @Test("makes thousands of calls, some given up, without growing, and keeps no thread or socket of a client")
    func leaks() async throws {
        let soak = try ProgramProcess("grpc-soak")
        #expect(try await soak.ended(within: .seconds(120)) == 0, "\(soak.tail)")
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
