import Foundation
import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// Agents that do not want to stand still: each does, or the freeze ends in an error that says why; none stays frozen, and the next
/// request is served.
@Suite struct HostileAgentTests {
    private static func agent(_ way: String, _ argument: String = "") -> String {
        "exec /usr/bin/python3 \(RemoteWorkspace.agent("hostile_agent.py")) \(way) \(argument)"
    }

    /// Freezes twice: not a byte is written in between, and the agent writes on afterwards.
    private func expectStill(_ workspace: TestWorkspace, consistency: Consistency = .quiesced) async throws {
        for _ in 0..<2 {
            let freeze = try workspace.freeze()
            let before = workspace.size("log")
            for _ in 0..<50 { sched_yield() }
            #expect(workspace.size("log") == before)
            #expect(freeze.consistency == consistency)
            #expect(try freeze.resume().isHeld)
            #expect(await eventually { workspace.size("log") > before })
        }
    }

    @Test(
        "An agent that forks without end, is deaf to signals, or has traced children stands still",
        arguments: ["forks", "deaf", "traced"])
    func standsStill(way: String) async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, Self.agent(way))
        #expect(await eventually { workspace.size("log") > 100 })
        try await expectStill(workspace)
        withExtendedLifetime(sandbox) {}
    }

    @Test(
        "Nor can an agent resist SIGSTOP by being deaf, by having traced children, or by waiting for a child of vfork",
        arguments: ["deaf", "traced", "vforks"])
    func standsStillBySignal(way: String) async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, Self.agent(way), options: ["--freezer", "sigstop"])
        #expect(await eventually { workspace.size("log") > 100 })
        try await expectStill(workspace, consistency: .bestEffort)
        withExtendedLifetime(sandbox) {}
    }

    @Test(
        "An agent in a call that its file server does not answer fails the freeze by name, runs on, and is frozen once it is answered"
    )
    func waitsInFUSE() async throws {
        try await SlowFileSystem.with { slow in
            let workspace = try TestWorkspace()
            let sandbox = try await Sandbox(workspace, Self.agent("stuck", slow.slowFile))
            #expect(try await eventually { try isInUninterruptibleSleep(sandbox.agent) })
            let error = #expect(throws: QuiesceError.self) { try workspace.freeze(lease: .seconds(3)) }
            #expect(
                error?.description.contains("in uninterruptible sleep: \(sandbox.agent)") == true,
                "\(String(describing: error))")
            let size = workspace.size("log")
            #expect(await eventually { workspace.size("log") > size }, "it is not left frozen")
            try slow.release()
            #expect(await eventually { workspace.size("read") > 0 })
            try await expectStill(workspace)
        }
    }

    /// For a tenth of a second on end: any call may sleep so for a moment.
    private func isInUninterruptibleSleep(_ process: CInt) throws -> Bool {
        for _ in 0..<50 {
            let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task")
            guard threads.contains(where: { ProcessState.of("\(process)/task/\($0)") == "D" }) else { return false }
            usleep(2000)
        }
        return true
    }

    @Test("When the file server dies instead, its caller gets an error and the agent can be frozen")
    func outlivesServer() async throws {
        try await SlowFileSystem.with { slow in
            let workspace = try TestWorkspace()
            let sandbox = try await Sandbox(workspace, Self.agent("stuck", slow.slowFile))
            #expect(await eventually { workspace.size("log") > 100 })
            #expect(throws: QuiesceError.self) { try workspace.freeze(lease: .milliseconds(500)) }
            slow.daemon.end(SIGKILL)
            try await expectStill(workspace)
            withExtendedLifetime(sandbox) {}
        }
    }

    @Test("An agent with a user of its own cannot leave its cgroup")
    func cannotLeave() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, Self.agent("escapes"), options: ["--user", "4242:4242"])
        #expect(await eventually { workspace.size("kept") > 0 })
        #expect(!workspace.exists("escaped"))
        #expect(await eventually { workspace.size("log") > 0 })
        try await expectStill(workspace)
        withExtendedLifetime(sandbox) {}
    }

    @Test("One that is root and has left is no longer vouched for while it holds a file of the workspace open")
    func isNotVouchedForOutside() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, Self.agent("escapes"))
        defer { kill(sandbox.agent, SIGKILL) }
        #expect(await eventually { workspace.size("escaped") > 0 && workspace.size("log") > 0 })
        let freeze = try workspace.freeze()
        #expect(freeze.consistency == .bestEffort)
        #expect(try freeze.resume().isHeld)
    }
}
