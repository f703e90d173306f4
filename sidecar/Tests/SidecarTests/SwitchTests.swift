private import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// What becomes of an agent when `current` moves: `--on-switch`.
@Suite struct SwitchTests {
    @Test("Who stands in the old tree is named in the receipt and the log, and left alone by default")
    func names() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, "echo > ready; (cd /; exec sleep 1000) & exec sleep 1000")
        #expect(await eventually { workspace.size("ready") > 0 })
        let receipt = try workspace.switchTree(to: "two")
        #expect(receipt.acknowledgements.values.map(\.oldTree) == [[sandbox.agent]])
        let line = try await sandbox.sidecar.line { $0.contains("a process stands in the old tree") }
        #expect(Sandbox.field("pid", of: line) == String(sandbox.agent))
        #expect(line.contains("live/one"))
        // A snapshot after that has no old tree.
        #expect(try workspace.freeze().resume().acknowledgements.values.map(\.oldTree) == [[]])
    }

    @Test(
        "The agent is signalled once per switch, by SIGHUP where no name is given",
        arguments: ["signal", "signal:USR1"])
    func signals(how: String) async throws {
        let workspace = try TestWorkspace()
        let name = how == "signal" ? "HUP" : "USR1"
        let sandbox = try await Sandbox(
            workspace, "trap 'echo got >> signals' \(name); echo > ready; while :; do sleep 0.01; done",
            options: ["--on-switch", how])
        #expect(await eventually { workspace.size("ready") > 0 })
        #expect(try workspace.freeze().resume().isHeld)
        _ = try workspace.switchTree(to: "two")
        #expect(await eventually { workspace.size("signals") > 0 })
        #expect(workspace.size("signals") == 4)
        withExtendedLifetime(sandbox) {}
    }

    @Test("Who was attached to is signalled as well", arguments: ["pid", "cgroup"])
    func signalsAttached(how: String) async throws {
        let workspace = try TestWorkspace()
        let cgroup = try TestCgroup(.cgroup2, "switch")
        let script = "trap 'echo got >> signals' HUP; echo > ready; while :; do sleep 0.01; done"
        let agent = try Stranger(in: workspace.live, script, cgroup: cgroup.path)
        #expect(await eventually { workspace.size("ready") > 0 })
        let whom = how == "pid" ? ["--pid", String(agent.pid)] : ["--cgroup", cgroup.path]
        let attached = try await Attached(workspace, ["attach", "--on-switch", "signal"] + whom)
        #expect(try workspace.freeze().resume().isHeld)
        let receipt = try workspace.switchTree(to: "two")
        #expect(receipt.acknowledgements.values.first?.oldTree.contains(agent.pid) == true)
        #expect(await eventually { workspace.size("signals") > 0 })
        #expect(workspace.size("signals") == 4)
        withExtendedLifetime(attached) {}
    }

    @Test(
        "A restarted agent works in the new tree, nothing of the old one is left, and its exit code is the sidecar's",
        arguments: [["--freezer", "cgroup2"], ["--freezer", "cgroup1"], ["--freezer", "sigstop"]])
    func restarts(options: [String]) async throws {
        let workspace = try TestWorkspace()
        // The first ignores what it is told, and so does its child.
        let script = """
            echo here > ready; if [ -e ../two/ready ]; then exit 7; fi
            trap '' TERM; while :; do sleep 0.01; done
            """
        let sandbox = try await Sandbox(
            workspace, script, options: options + ["--on-switch", "restart", "--restart-grace", "100ms"])
        #expect(await eventually { workspace.size("ready") > 0 })
        _ = try workspace.switchTree(to: "two")
        #expect(try await sandbox.sidecar.ended() == 7)
        #expect(try readText("\(workspace.path)/live/two/ready") == "here\n")
        #expect(ProcessState.of(sandbox.agent) == nil)
    }

    @Test("A snapshot while the agent is being restarted is held, and a signal to end ends the restart")
    func restartsInterrupted() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(
            workspace, "trap 'echo told >> told' TERM; echo > ready; while :; do sleep 0.01; done",
            options: ["--on-switch", "restart", "--restart-grace", "60s"])
        #expect(await eventually { workspace.size("ready") > 0 })
        _ = try workspace.switchTree(to: "two")
        #expect(await eventually { workspace.size("told") > 0 })
        #expect(try workspace.freeze().resume().isHeld)
        sandbox.sidecar.signal(SIGTERM)
        #expect(await eventually { workspace.size("told") > 5 })
        kill(sandbox.agent, SIGKILL)
        #expect(try await sandbox.sidecar.ended() == 128 + SIGKILL)
    }
}
