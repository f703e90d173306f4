private import CShims
private import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// `wvs-sidecar run` as a process, and the executor's side of the protocol in the test.
@Suite struct RunTests {
    private static let writing = "while echo line >> log; do :; done"

    @Test("An agent stands still between FROZEN and the resume, its writes are flushed, and the receipt is held")
    func freezesAgent() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, "exec 3>> held; echo dirty >&3; \(Self.writing)")
        #expect(await eventually { workspace.size("log") > 0 })
        for _ in 0..<3 {
            let freeze = try workspace.freeze()
            let before = workspace.size("log")
            #expect(sandbox.isFrozen)
            let acknowledgement = try #require(freeze.acknowledgements.values.first)
            #expect(acknowledgement.method == .cgroup2)
            #expect(acknowledgement.consistency == .quiesced)
            #expect(acknowledgement.flushedFiles >= 1)
            #expect(freeze.openFiles.complete)
            #expect(freeze.openFiles.files.contains { $0.path.hasSuffix("/held") && $0.flushed })
            for _ in 0..<20 { sched_yield() }
            #expect(workspace.size("log") == before)
            let receipt = try freeze.resume()
            #expect(receipt.isHeld)
            #expect(await eventually { workspace.size("log") > before })
        }
    }

    @Test("A log that nobody reads holds up neither the agent nor the sidecar")
    func unreadLog() async throws {
        let workspace = try TestWorkspace()
        var ends: [CInt] = [0, 0]
        try systemCall("pipe2") { wvs_pipe2(&ends, O_CLOEXEC | O_NONBLOCK) }
        defer { for end in ends { close(end) } }
        let program = "\(ProgramProcess.folder)/wvs-sidecar"
        // The shell's copy of the pipe waits, and so would the sidecar's.
        let command = "exec 2> /proc/\(getpid())/fd/\(ends[1]); exec \(program) run --workspace \(workspace.path)"
        let sidecar = try ProgramProcess(
            "sh", at: "/bin/sh",
            arguments: ["-c", "\(command) --state-dir \(workspace.mount)/state -- sh -c '\(Self.writing)'"])
        #expect(await eventually { workspace.size("log") > 0 })
        while write(ends[1], "x", 1) == 1 {}
        #expect(try workspace.freeze().resume().isHeld)
        let before = workspace.size("log")
        #expect(await eventually { workspace.size("log") > before })
        #expect(sidecar.end(SIGTERM) == 128 + SIGTERM)
    }

    @Test("The agent starts in the live tree, and its exit code is the sidecar's")
    func passesExitCodeOn() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, "pwd > where; exit 37")
        #expect(try await sandbox.sidecar.ended() == 37)
        #expect(workspace.size("where") == workspace.live.utf8.count + 1)
        #expect(access(sandbox.cgroup, F_OK) == -1)
        #expect(try Participant.others(than: "", controlDirectory: workspace.control).isEmpty)
        #expect(access("\(workspace.mount)/state/agent-1.json", F_OK) == -1)
    }

    @Test("Signals reach the agent, and an agent that a signal ends gives 128 and its number")
    func passesSignalsOn() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(
            workspace, "trap 'echo usr1 > got' USR1; echo > ready; while :; do sleep 0.01; done")
        #expect(await eventually { workspace.size("ready") > 0 })
        sandbox.sidecar.signal(SIGUSR1)
        #expect(await eventually { workspace.size("got") > 0 })
        sandbox.sidecar.signal(SIGTERM)
        #expect(try await sandbox.sidecar.ended() == 128 + SIGTERM)
    }

    @Test("Docker's default filter, which knows no clone3, only changes the way into the cgroup")
    func entersWithoutClone3() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, Self.writing, environment: ["WVS_TEST_NO_CLONE3": "1"])
        #expect(await eventually { workspace.size("log") > 0 })
        let freeze = try workspace.freeze()
        #expect(sandbox.isFrozen)
        #expect(freeze.consistency == .quiesced)
        #expect(try freeze.resume().isHeld)
    }

    @Test("With SIGSTOP the agent stands still too, and the receipt says best effort")
    func freezesBySignals() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(
            workspace, "(\(Self.writing)) & (\(Self.writing)) & wait", options: ["--freezer", "sigstop"])
        #expect(await eventually { workspace.size("log") > 0 })
        let freeze = try workspace.freeze()
        let before = workspace.size("log")
        #expect(ProcessState.of(sandbox.agent) == "T")
        #expect(freeze.acknowledgements.values.first?.method == .sigstop)
        #expect(freeze.acknowledgements.values.first?.processes == 3)
        #expect(freeze.consistency == .bestEffort)
        #expect(workspace.size("log") == before)
        #expect(try freeze.resume().isHeld)
        #expect(await eventually { workspace.size("log") > before })
    }

    @Test("The agent runs as another user in its own groups")
    func changesUser() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, "id -u > u; id -G > g", options: ["--user", "4242:4243"])
        #expect(try await sandbox.sidecar.ended() == 0)
        #expect(workspace.size("u") == 5)
        #expect(workspace.size("g") == 5)
    }

    @Test("A sidecar waits for its workspace")
    func waitsForWorkspace() async throws {
        let workspace = try TestWorkspace()
        let sidecar = try ProgramProcess(
            "wvs-sidecar",
            arguments: [
                "run", "--workspace", "\(workspace.mount)/later", "--state-dir", "\(workspace.mount)/state", "--",
                "/bin/sh", "-c", "echo here > proof",
            ])
        _ = try await sidecar.line { $0.contains("waiting for the workspace") }
        let later = try TestWorkspace(wsid: "later", in: workspace.mount)
        #expect(try await sidecar.ended() == 0)
        #expect(later.size("proof") == 5)
    }

    @Test("With --linger the sidecar answers after the agent's end, until it is told to go")
    func lingers() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, "exit 3", options: ["--linger"])
        _ = try await sandbox.sidecar.line { $0.contains("agent ended") }
        let freeze = try workspace.freeze()
        #expect(try freeze.resume().isHeld)
        #expect(sandbox.sidecar.end(SIGTERM) == 3)
    }

    @Test("A process outside the frozen set that writes to the workspace makes the receipt best effort")
    func noticesOutsiders() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, "exec sleep 1000")
        let file = open("\(workspace.live)/foreign", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
        let freeze = try workspace.freeze()
        #expect(freeze.consistency == .bestEffort)
        #expect(try freeze.resume().isHeld)
        close(file)
        let second = try workspace.freeze()
        #expect(second.consistency == .quiesced)
        #expect(try second.resume().isHeld)
        withExtendedLifetime(sandbox) {}
    }

    @Test("A command that does not exist ends the sidecar with an error and leaves no cgroup")
    func failsToStart() async throws {
        let workspace = try TestWorkspace()
        let sidecar = try ProgramProcess(
            "wvs-sidecar",
            arguments: [
                "run", "--workspace", workspace.path, "--state-dir", "\(workspace.mount)/state", "--", "/no/such/agent",
            ])
        #expect(try await sidecar.ended() == 127)
        #expect(sidecar.lines.contains { $0.contains("No such file") })
    }
}
