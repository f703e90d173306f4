private import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// Whatever becomes of the sidecar, its agent runs again, and nothing that was cloned meanwhile counts.
@Suite struct FailureTests {
    private static let writing = "while echo line >> log; do :; done"

    @Test(
        "A sidecar killed while its agent is frozen leaves it running, long before the lease ends",
        arguments: ["cgroup2", "sigstop"])
    func killed(freezer: String) async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, Self.writing, options: ["--freezer", freezer])
        #expect(await eventually { workspace.size("log") > 0 })
        let freeze = try workspace.freeze(lease: .seconds(60))
        let before = workspace.size("log")
        sandbox.sidecar.end(SIGKILL)
        #expect(await eventually { workspace.size("log") > before })
        #expect(throws: QuiesceError.self) { try freeze.resume() }
    }

    @Test("A stopped sidecar's agent runs again when the lease ends, and the freeze does not count as held")
    func stopped() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, Self.writing)
        #expect(await eventually { workspace.size("log") > 0 })
        let freeze = try workspace.freeze(lease: .milliseconds(400))
        let before = workspace.size("log")
        sandbox.sidecar.signal(SIGSTOP)
        #expect(await eventually { workspace.size("log") > before })
        sandbox.sidecar.signal(SIGCONT)
        #expect(throws: QuiesceError.self) { try freeze.resume() }
    }

    @Test("A sidecar without its guardian thaws at once and ends")
    func losesGuardian() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, Self.writing)
        #expect(await eventually { workspace.size("log") > 0 })
        let freeze = try workspace.freeze(lease: .seconds(60))
        let before = workspace.size("log")
        let guardian = try #require(try Sandbox.guardian(of: sandbox.sidecar.pid))
        kill(guardian, SIGKILL)
        #expect(await eventually { workspace.size("log") > before })
        #expect(throws: QuiesceError.self) { try freeze.resume() }
    }

    @Test("Beside a stopped guardian nothing is held or frozen, and the agent runs; once it goes on all is well")
    func stoppedGuardian() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, Self.writing)
        #expect(await eventually { workspace.size("log") > 0 })
        let guardian = try #require(try Sandbox.guardian(of: sandbox.sidecar.pid))
        let freeze = try workspace.freeze(lease: .seconds(60))
        let before = workspace.size("log")
        kill(guardian, SIGSTOP)
        #expect(throws: QuiesceError.self) { try freeze.resume() }
        #expect(await eventually { workspace.size("log") > before })
        #expect(throws: QuiesceError.self) { try workspace.freeze(lease: .seconds(60)) }
        #expect(!sandbox.isFrozen)
        kill(guardian, SIGCONT)
        #expect(try workspace.freeze().resume().isHeld)
    }

    @Test("A successor thaws what its predecessor left frozen, and says that continuity is lost")
    func succeeds() async throws {
        let workspace = try TestWorkspace()
        let first = try await Sandbox(workspace, Self.writing)
        #expect(await eventually { workspace.size("log") > 0 })
        let freeze = try workspace.freeze(lease: .seconds(2))
        // Both at once, as when a whole control group is killed: nobody is left to thaw.
        let guardian = try #require(try Sandbox.guardian(of: first.sidecar.pid))
        kill(guardian, SIGSTOP)
        first.sidecar.end(SIGKILL)
        kill(guardian, SIGKILL)
        #expect(first.isFrozen)
        // It starts no agent into a freeze that it was too late for.
        async let starting = Sandbox(workspace, "exec sleep 1000")
        #expect(await eventually { !first.isFrozen })
        #expect(throws: QuiesceError.self) { try freeze.resume() }
        let second = try await starting
        #expect(second.sidecar.lines.contains { $0.contains("continuity lost") })
    }

    @Test("A successor ends its predecessor's guardian, which would thaw unknown to the successor's own")
    func endsGuardian() async throws {
        let workspace = try TestWorkspace()
        let first = try await Sandbox(workspace, Self.writing)
        let freeze = try workspace.freeze(lease: .seconds(2))
        let guardian = try #require(try Sandbox.guardian(of: first.sidecar.pid))
        kill(guardian, SIGSTOP)
        first.sidecar.end(SIGKILL)
        async let starting = Sandbox(workspace, "exec sleep 1000")
        #expect(await eventually { kill(guardian, 0) == -1 })
        freeze.abandon()
        _ = try await starting
    }

    @Test("An agent that has survived its sidecar makes its successor's receipts best effort, until it is gone")
    func survivor() async throws {
        let workspace = try TestWorkspace()
        let state = "\(workspace.mount)/state"
        // Holds no file that would betray it.
        let first = try await Sandbox(workspace, "exec sleep 1000")
        first.sidecar.end(SIGKILL)
        // As an agent may make one that has been given its cgroup.
        #expect(mkdir("\(first.cgroup)/inner", 0o755) == 0)
        // As if it had been killed while it wrote.
        close(open("\(state)/\(workspace.wsid).json.new", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
        for _ in 0..<2 {
            let successor = try await Sandbox(workspace, "exec sleep 1000")
            let freeze = try workspace.freeze()
            #expect(freeze.consistency == .bestEffort)
            #expect(try freeze.resume().isHeld)
            let line = try await successor.sidecar.line { $0.contains("\"frozen\"") }
            #expect(line.contains("lives on and is not frozen: process \(first.agent)"))
            kill(successor.agent, SIGKILL)
            _ = try await successor.sidecar.ended()
        }
        let last = try await Sandbox(workspace, "exec sleep 1000")
        kill(first.agent, SIGKILL)
        #expect(await eventually { ProcessState.of(first.agent) == nil })
        let freeze = try workspace.freeze()
        #expect(freeze.consistency == .quiesced)
        #expect(try freeze.resume().isHeld)
        #expect(access(first.cgroup, F_OK) == -1)
        kill(last.agent, SIGKILL)
        _ = try await last.sidecar.ended()
        #expect(rmdir(state) == 0, "nothing is left of any of them")
    }

    @Test("An answer that cannot be written is tried until the lease ends, and complained of once")
    func unwritableAnswer() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, Self.writing)
        #expect(await eventually { workspace.size("log") > 0 })
        let file = "\(workspace.path)/.wvs/control.json"
        sandbox.sidecar.signal(SIGSTOP)
        #expect(await eventually { ProcessState.of(sandbox.sidecar.pid) == "T" })
        async let isRefused = (try? workspace.freeze(lease: .milliseconds(800), timeout: .milliseconds(600))) == nil
        #expect(await eventually { (try? readText(file))?.contains("REQUEST_FREEZE") == true })
        try await Command.run(["chattr", "+i", file])
        sandbox.sidecar.signal(SIGCONT)
        let complaint = "the answer could not be written"
        _ = try await sandbox.sidecar.line { $0.contains(complaint) }
        let hasTimedOut = await isRefused
        #expect(hasTimedOut)
        let before = workspace.size("log")
        #expect(await eventually { workspace.size("log") > before }, "the lease ends")
        try await Command.run(["chattr", "-i", file])
        #expect(try workspace.freeze().resume().isHeld)
        #expect(sandbox.sidecar.lines.count { $0.contains(complaint) } == 1)
    }

    @Test("An agent that ends while frozen is thawed, and its sidecar ends as it did")
    func agentKilledWhileFrozen() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, Self.writing)
        let freeze = try workspace.freeze()
        kill(sandbox.agent, SIGKILL)
        #expect(try await sandbox.sidecar.ended() == 128 + SIGKILL)
        #expect(access(sandbox.cgroup, F_OK) == -1)
        freeze.abandon()
    }
}
