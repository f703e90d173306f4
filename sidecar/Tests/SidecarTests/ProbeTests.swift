private import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// `wvs-sidecar status` and `wvs-sidecar healthcheck`.
@Suite struct ProbeTests {
    private func probe(_ mode: String, _ workspace: TestWorkspace, _ more: [String] = []) async throws -> (
        status: Int32, text: String
    ) {
        let result = try await output(
            "wvs-sidecar",
            [mode, "--workspace", workspace.path, "--state-dir", "\(workspace.mount)/state"] + more)
        return (result.status, result.lines.joined(separator: "\n"))
    }

    @Test("A sidecar is healthy while it idles and while its agent is frozen, and status shows both")
    func healthy() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, "exec sleep 1000")
        #expect(try await probe("healthcheck", workspace).status == 0)
        let freeze = try workspace.freeze()
        let health = try await probe("healthcheck", workspace)
        #expect(health.status == 0, "\(health.text)")
        let status = try await probe("status", workspace).text
        #expect(status.contains("FROZEN, epoch 1, task task-1"))
        #expect(status.contains("1 processes, frozen"))
        let json = try await probe("status", workspace, ["--json"]).text
        #expect(json.contains("\"cgroup_frozen\":true"))
        #expect(json.contains("\"pid\":\(sandbox.sidecar.pid),\"living\":true"))
        #expect(try freeze.resume().isHeld)
    }

    @Test("A workspace without a sidecar, with a stopped, a stuck and a dead one is unhealthy, and the reason is named")
    func unhealthy() async throws {
        let workspace = try TestWorkspace()
        let none = try await probe("healthcheck", workspace)
        #expect(none.status == 1)
        #expect(none.text.contains("no sidecar of this workspace runs"))
        let sandbox = try await Sandbox(workspace, "exec sleep 1000")
        let guardian = try #require(try Sandbox.guardian(of: sandbox.sidecar.pid))
        sandbox.sidecar.signal(SIGSTOP)
        #expect(await eventually { ProcessState.of(sandbox.sidecar.pid) == "T" })
        let stopped = try await probe("healthcheck", workspace)
        #expect(stopped.status == 1)
        #expect(stopped.text.contains("the sidecar is stopped"))
        sandbox.sidecar.signal(SIGCONT)
        kill(guardian, SIGSTOP)
        sandbox.sidecar.end(SIGKILL)
        kill(guardian, SIGKILL)
        let dead = try await probe("healthcheck", workspace)
        #expect(dead.status == 1)
        #expect(dead.text.contains("the sidecar has died"))
        let status = try await probe("status", workspace).text
        #expect(status.contains("dead, without a farewell"))
        #expect(status.contains("left by a dead sidecar"))
    }

    @Test("A workspace that the node serves is healthy")
    func node() async throws {
        let workspace = try TestWorkspace()
        let state = "\(workspace.mount)/state"
        let node = try ProgramProcess(
            "wvs-sidecar", arguments: ["node", "--root", workspace.mount, "--state-dir", state])
        _ = try await node.line { $0.contains("serving a workspace") }
        let health = try await probe("healthcheck", workspace)
        #expect(health.status == 0, "\(health.text)")
        // As a container's probe asks, which knows no workspace.
        #expect(try await output("wvs-sidecar", ["healthcheck"], environment: ["WVS_STATE_DIR": state]).status == 0)
        node.end(SIGKILL)
        #expect(try await output("wvs-sidecar", ["healthcheck"], environment: ["WVS_STATE_DIR": state]).status == 1)
    }

    @Test("What is no workspace is no workspace for either")
    func missing() async throws {
        let workspace = try TestWorkspace()
        for mode in ["status", "healthcheck"] {
            let result = try await output("wvs-sidecar", [mode, "--workspace", "\(workspace.mount)/not-there"])
            #expect(result.status == 1)
            #expect(result.lines.joined().contains("is not there"))
        }
    }
}
