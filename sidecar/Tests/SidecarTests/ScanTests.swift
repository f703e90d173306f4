private import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// `wvs-sidecar scan`: whoever works in the workspace.
@Suite struct ScanTests {
    @Test(
        "Whoever works in a live tree, has it as its root, holds a file of it open or maps one is stopped; nobody else is"
    )
    func stopsHolders() async throws {
        let workspace = try TestWorkspace()
        for name in ["held", "mapped"] {
            close(open("\(workspace.live)/\(name)", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
        }
        #expect(truncate("\(workspace.live)/mapped", 4096) == 0)
        let map = """
            exec python3 -c 'import ctypes, os, time
            libc = ctypes.CDLL(None); libc.mmap.restype = ctypes.c_void_p
            f = os.open("\(workspace.live)/mapped", os.O_RDWR)
            libc.mmap(None, ctypes.c_size_t(4096), 3, 1, f, ctypes.c_long(0)); os.close(f)
            open("\(workspace.live)/ready", "w").write("x"); time.sleep(1000)'
            """
        // Neither works in it nor has a file of it open: the interpreter and its libraries are from outside.
        let root = """
            exec python3 -c 'import os, time
            os.chroot("\(workspace.live)"); open("/rooted", "w").write("x"); time.sleep(1000)'
            """
        let holders = [
            try Stranger(in: workspace.live, "while :; do :; done"),
            try Stranger(in: workspace.mount, "exec 3< \(workspace.live)/held; while :; do :; done"),
            try Stranger(in: workspace.mount, map),
            try Stranger(in: workspace.mount, root),
        ]
        let bystander = try Stranger(in: workspace.path, "while :; do sleep 0.01; done")
        #expect(await eventually(within: .seconds(30)) { workspace.size("ready") > 0 && workspace.size("rooted") > 0 })
        let attached = try await Attached(workspace, ["scan"])
        let freeze = try workspace.freeze()
        for holder in holders { #expect(ProcessState.of(holder.pid) == "T") }
        #expect(ProcessState.of(bystander.pid) != "T")
        #expect(freeze.acknowledgements.values.map(\.method) == [.sigstop])
        #expect(freeze.acknowledgements.values.map(\.processes) == [4])
        #expect(freeze.consistency == .bestEffort)
        #expect(try freeze.resume().isHeld)
        #expect(await eventually { holders.allSatisfy { ProcessState.of($0.pid) != "T" } })
        withExtendedLifetime(attached) {}
    }

    @Test("A sidecar killed during a scan's freeze leaves nobody stopped")
    func killed() async throws {
        let workspace = try TestWorkspace()
        let holder = try Stranger(in: workspace.live, "while :; do :; done")
        let attached = try await Attached(workspace, ["scan"])
        let freeze = try workspace.freeze(lease: .seconds(60))
        #expect(ProcessState.of(holder.pid) == "T")
        attached.sidecar.end(SIGKILL)
        #expect(await eventually { ProcessState.of(holder.pid) != "T" })
        freeze.abandon()
    }
}
