import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// A mount of `…/current` itself shows one live tree for ever: whoever works in it stays behind at the next set_current.
@Suite struct PinnedMountTests {
    private static let bind = "mount --make-rprivate / && mount --bind \"$1/current/.\" /mnt"

    @Test("A sandbox whose agent mounts current for itself is refused at the next freeze, with the mount's name")
    func refusesAgentsMount() async throws {
        let workspace = try TestWorkspace()
        let script = "exec unshare -m sh -c '\(Self.bind) && : > ready && exec sleep 1000' sh \(workspace.path)"
        let sandbox = try await Sandbox(workspace, script)
        #expect(await eventually { workspace.exists("ready") })
        let error = #expect(throws: QuiesceError.self) { try workspace.freeze() }
        #expect(error?.description.contains("/mnt of process") == true, "\(String(describing: error))")
        #expect(error?.description.contains("mount the workspace's folder instead") == true)
        #expect(!sandbox.isFrozen)
    }

    @Test("A sandbox that mounts the workspace's folder under another name is served")
    func servesWholeMount() async throws {
        let workspace = try TestWorkspace()
        let bind = "mount --make-rprivate / && mount --bind \"$1\" /mnt"
        let script = "exec unshare -m sh -c '\(bind) && : > ready && exec sleep 1000' sh \(workspace.path)"
        let sandbox = try await Sandbox(workspace, script)
        #expect(await eventually { workspace.exists("ready") })
        #expect(try workspace.freeze().resume().isHeld)
        withExtendedLifetime(sandbox) {}
    }

    @Test("A sidecar that starts among such mounts ends and says what to mount instead")
    func endsAtStart() async throws {
        let workspace = try TestWorkspace()
        let sidecar = try ProgramProcess(
            "unshare", at: "/usr/bin/unshare",
            arguments: [
                "-m", "sh", "-c", "\(Self.bind) && exec \"$2\" run --workspace \"$1\" --state-dir \"$3\" -- sleep 1000",
                "sh", workspace.path, ProgramProcess.folder + "/wvs-sidecar", "\(workspace.mount)/state",
            ])
        #expect(try await sidecar.ended() == 125)
        #expect(sidecar.tail.contains("/mnt is a mount of one live tree"), "\(sidecar.tail)")
    }
}
