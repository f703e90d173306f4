private import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// `wvs-sidecar node` as a process.
@Suite struct NodeTests {
    private func node(_ workspace: TestWorkspace) async throws -> ProgramProcess {
        let node = try ProgramProcess(
            "wvs-sidecar", arguments: ["node", "--root", workspace.mount, "--state-dir", "\(workspace.mount)/state"])
        _ = try await node.line { $0.contains("serving a workspace") && $0.contains(workspace.wsid) }
        return node
    }

    @Test("A workspace that nobody uses is acknowledged with method none, best effort")
    func servesVacant() async throws {
        let workspace = try TestWorkspace()
        let node = try await node(workspace)
        let freeze = try workspace.freeze()
        #expect(freeze.acknowledgements.values.first?.method == FreezeMethod.none)
        #expect(freeze.consistency == .bestEffort)
        #expect(!freeze.openFiles.complete)
        #expect(try freeze.resume().isHeld)
        #expect(node.end(SIGTERM) == 0)
        #expect(try Participant.others(than: "", controlDirectory: workspace.control).isEmpty)
    }

    @Test(
        "Whoever holds something of the workspace is named, and nothing is acknowledged",
        arguments: ["exec 3< file; echo > ready; exec sleep 1000", "cd .; echo > ready; exec sleep 1000"])
    func refusesUsed(script: String) async throws {
        let workspace = try TestWorkspace()
        let node = try await node(workspace)
        close(open("\(workspace.live)/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
        let user = try Stranger(in: workspace.live, script)
        #expect(await eventually { workspace.size("ready") > 0 })
        let error = #expect(throws: QuiesceError.self) { try workspace.freeze(timeout: .seconds(5)) }
        #expect(error?.description.contains("process \(user.pid) holds") == true)
        withExtendedLifetime((node, user)) {}
    }

    @Test("A workspace that comes later is served, and one that is made anew under its name")
    func findsNewcomers() async throws {
        let workspace = try TestWorkspace()
        let node = try await node(workspace)
        for _ in 0..<2 {
            let later = try TestWorkspace(wsid: "later", in: workspace.mount)
            #expect(try await eventually { try !Participant.others(than: "", controlDirectory: later.control).isEmpty })
            #expect(try later.freeze().resume().isHeld)
            later.remove()
        }
        withExtendedLifetime(node) {}
    }

    @Test("Of a folder that cannot be served the log speaks once, and of a file with such a name never")
    func complainsOnce() async throws {
        let workspace = try TestWorkspace()
        close(open("\(workspace.mount)/notes", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
        let broken = try TestWorkspace(wsid: "broken", in: workspace.mount)
        #expect(rename("\(broken.path)/.wvs", "\(broken.path)/aside") == 0)
        #expect(symlink("aside", "\(broken.path)/.wvs") == 0)
        let node = try await node(workspace)
        // Each is found by a look at all of them.
        for name in ["second", "third", "fourth"] {
            let later = try TestWorkspace(wsid: name, in: workspace.mount)
            #expect(try await eventually { try !Participant.others(than: "", controlDirectory: later.control).isEmpty })
        }
        let isComplaint = { @Sendable (line: String) in line.contains("not served") && line.contains("\"broken\"") }
        _ = try await node.line(where: isComplaint)
        #expect(node.lines.count(where: isComplaint) == 1)
        #expect(!node.lines.contains { $0.contains("\"notes\"") })
    }

    @Test("More workspaces are served than the soft limit of descriptors allows")
    func manyWorkspaces() async throws {
        let workspace = try TestWorkspace()
        let others = try (0..<40).map { try TestWorkspace(wsid: "other-\($0)", in: workspace.mount) }
        let program = "\(ProgramProcess.folder)/wvs-sidecar"
        let node = try ProgramProcess(
            "sh", at: "/bin/sh",
            arguments: [
                "-c",
                "ulimit -Sn 64; exec \(program) node --root \(workspace.mount) --state-dir \(workspace.mount)/state",
            ])
        for other in others {
            let isServed = try await eventually {
                try !Participant.others(than: "", controlDirectory: other.control).isEmpty
            }
            #expect(isServed)
        }
        #expect(node.end(SIGTERM) == 0)
    }

    @Test("The node steps back when an agent's sidecar registers, and takes its place again when that has gone")
    func stepsBack() async throws {
        let workspace = try TestWorkspace()
        let node = try await node(workspace)
        let sandbox = try await Sandbox(workspace, "exec sleep 1000")
        let modes = { try Participant.others(than: "", controlDirectory: workspace.control).map(\.registration?.mode) }
        #expect(try await eventually { try modes() == [.run] })
        let freeze = try workspace.freeze()
        #expect(freeze.acknowledgements.values.map(\.method) == [.cgroup2])
        #expect(try freeze.resume().isHeld)
        kill(sandbox.agent, SIGKILL)
        #expect(try await eventually { try modes() == [.node] })
        withExtendedLifetime(node) {}
    }

    @Test("Of two nodes one serves a workspace, and the other when the first is gone")
    func two() async throws {
        let workspace = try TestWorkspace()
        let nodes = try (0..<2).map { _ in
            try ProgramProcess(
                "wvs-sidecar",
                arguments: ["node", "--root", workspace.mount, "--state-dir", "\(workspace.mount)/state"])
        }
        let pids = { try Participant.others(than: "", controlDirectory: workspace.control).map(\.registration?.pid) }
        #expect(try await eventually { try pids().count == 1 })
        #expect(try workspace.freeze().resume().isHeld)
        let server = try #require(try pids().first ?? nil)
        let first = try #require(nodes.first { $0.pid == server })
        first.end(SIGTERM)
        let other = try #require(nodes.first { $0.pid != server })
        #expect(try await eventually { try pids() == [other.pid] })
        #expect(try workspace.freeze().resume().isHeld)
    }
}
