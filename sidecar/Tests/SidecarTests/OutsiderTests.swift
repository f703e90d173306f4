import Foundation
private import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// Who writes although everyone else stands still.
@Suite struct OutsiderTests {
    /// Gives the receipt of a freeze of somebody else's agent while `script` runs outside it.
    private func consistency(beside script: String, in mount: String? = nil) async throws -> Consistency {
        let workspace = try TestWorkspace(in: mount)
        let sandbox = try await Sandbox(workspace, "exec sleep 1000")
        close(open("\(workspace.live)/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
        #expect(truncate("\(workspace.live)/file", 4096) == 0)
        let stranger = try Stranger(
            in: workspace.mount, "FILE=\(workspace.live)/file READY=\(workspace.mount)/ready; \(script)")
        #expect(await eventually(within: .seconds(30)) { access("\(workspace.mount)/ready", F_OK) == 0 })
        let freeze = try workspace.freeze()
        let consistency = freeze.consistency
        #expect(try freeze.resume().isHeld)
        withExtendedLifetime((sandbox, stranger)) {}
        return consistency
    }

    @Test("A shared writable mapping whose descriptor is closed counts; a private or read-only one does not")
    func mappings() async throws {
        // Python's own mmap keeps a descriptor.
        let python = """
            export FILE READY; exec python3 -c 'import ctypes, os, time
            libc = ctypes.CDLL(None); libc.mmap.restype = ctypes.c_void_p
            f = os.open(os.environ["FILE"], FLAGS)
            libc.mmap(None, ctypes.c_size_t(4096), PROTECTION, SHARING, f, ctypes.c_long(0)); os.close(f)
            open(os.environ["READY"], "w"); time.sleep(1000)'
            """
        // PROT_READ is 1, with PROT_WRITE 3; MAP_SHARED is 1, MAP_PRIVATE 2. What was opened for writing can become writable.
        for (flags, protection, sharing, expected) in [
            ("os.O_RDWR", "3", "1", Consistency.bestEffort), ("os.O_RDWR", "1", "1", .bestEffort),
            ("os.O_RDWR", "3", "2", .quiesced), ("os.O_RDONLY", "1", "1", .quiesced),
        ] {
            let script = python.replacing("FLAGS", with: flags).replacing("PROTECTION", with: protection)
                .replacing("SHARING", with: sharing)
            #expect(try await consistency(beside: script) == expected, "\(flags) \(protection) \(sharing)")
        }
    }

    @Test("A leader that has ended does not hide what its threads hold open")
    func zombieLeader() async throws {
        let script = """
            export FILE READY; exec python3 -c 'import ctypes, os, threading, time
            f = os.open(os.environ["FILE"], os.O_RDWR)
            def work():
                while open("/proc/self/stat").read().rpartition(") ")[2][0] != "Z": time.sleep(0.01)
                open(os.environ["READY"], "w"); time.sleep(1000)
            threading.Thread(target=work).start(); ctypes.CDLL(None).pthread_exit(None)'
            """
        #expect(try await consistency(beside: script) == .bestEffort)
    }

    @Test("A writer whose file has a longer name than can be read is suspected")
    func longName() async throws {
        let script = """
            export FILE READY; exec python3 -c 'import os, time
            os.chdir(os.path.dirname(os.environ["FILE"]))
            for _ in range(50): os.mkdir("x" * 100); os.chdir("x" * 100)
            f = os.open("deep", os.O_WRONLY | os.O_CREAT); os.chdir("/")
            open(os.environ["READY"], "w"); time.sleep(1000)'
            """
        // On a file system of its own, or other tests' sidecars would suspect it too.
        try await ScratchFileSystem.with(.tmpfs) { fileSystem in
            let consistency = try await consistency(beside: script, in: fileSystem.path)
            #expect(consistency == .bestEffort)
        }
    }

    private static let apart = ["unshare", "--mount"]

    @Test(
        """
        A writer is seen in a chroot with mounts of its own, and with a file of another namespace; it is suspected where its mount was \
        taken away, and not where it writes elsewhere
        """,
        arguments: [
            (apart, "$BIND; exec chroot $W/jail sh -c 'exec 3>> /mount/file; echo > /ready; exec sleep 99'", "holds"),
            ([], "exec 3>> $FILE; exec unshare --mount sh -c 'echo > $W/jail/ready; exec sleep 99'", "holds"),
            (
                [], "$BIND; exec 3>> $W/jail/mount/file; umount -l $W/jail/mount; echo > $W/jail/ready; sleep 99",
                "could hold"
            ),
            ([], "exec 3>> $W/other; exec unshare --mount sh -c 'echo > $W/jail/ready; exec sleep 99'", nil),
        ] as [([String], String, String?)])
    func otherMounts(launcher: [String], script: String, word: String?) async throws {
        // On a file system of its own, or other tests' sidecars would suspect it too.
        try await ScratchFileSystem.with(.tmpfs) { fileSystem in
            let workspace = try TestWorkspace(in: fileSystem.path)
            let sandbox = try await Sandbox(workspace, "exec sleep 1000")
            // As much of a system as runs a shell.
            let setup = """
                export W=\(workspace.mount) FILE=\(workspace.live)/file
                BIND="mount --bind \(workspace.live) $W/jail/mount"
                mkdir -p $W/jail/mount $W/jail/bin
                for p in /bin/sh /bin/sleep; do
                  cp $p $W/jail/bin
                  for l in $(ldd $p | grep -o '/[^ ]*'); do mkdir -p $W/jail/${l%/*}; cp $l $W/jail/$l; done
                done
                """
            let stranger = try Stranger(in: workspace.mount, "\(setup)\n\(script)", launcher: launcher)
            #expect(await eventually { access("\(workspace.mount)/jail/ready", F_OK) == 0 })
            let freeze = try workspace.freeze()
            #expect(freeze.consistency == (word == nil ? .quiesced : .bestEffort), "\(sandbox.sidecar.tail)")
            #expect(try freeze.resume().isHeld)
            let line = try await sandbox.sidecar.line { $0.contains("\"frozen\"") }
            if let word { #expect(line.contains("process \(stranger.pid) \(word)")) }
        }
    }

    @Test("What a container had mounted is let go of when the look at it is over")
    func letsGo() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, "exec sleep 1000")
        let stranger = try Stranger(
            in: workspace.mount, "exec 3>> \(workspace.live)/file; echo > ready; exec sleep 1000",
            launcher: Self.apart)
        #expect(await eventually { access("\(workspace.mount)/ready", F_OK) == 0 })
        let freeze = try workspace.freeze()
        #expect(freeze.consistency == .bestEffort)
        #expect(try freeze.resume().isHeld)
        // One may be that of its own namespace.
        let isLetGo = try await eventually { try Self.mountTables(openIn: sandbox.sidecar.pid) <= 1 }
        #expect(isLetGo)
        withExtendedLifetime(stranger) {}
    }

    private static func mountTables(openIn process: CInt) throws -> Int {
        let folder = "/proc/\(process)/fd"
        return try FileManager.default.contentsOfDirectory(atPath: folder).count { name in
            // Closed meanwhile, it is none.
            (try? FileManager.default.destinationOfSymbolicLink(atPath: "\(folder)/\(name)"))?
                .hasSuffix("/mountinfo") == true
        }
    }

    @Test(
        "A file that is opened between two freezes is seen, and one that is closed is not, however many processes there are",
        arguments: [0, 400])
    func changes(besides crowd: Int) async throws {
        let workspace = try TestWorkspace()
        // More than the sidecar may follow by open files.
        let others = try Stranger(
            in: workspace.mount,
            "i=0; while [ $i -lt \(crowd) ]; do sleep 1000 & i=$((i + 1)); done; echo > there; wait; sleep 1000")
        #expect(await eventually { access("\(workspace.mount)/there", F_OK) == 0 })
        let sandbox = try await Sandbox(workspace, "exec sleep 1000")
        let stranger = try Stranger(
            in: workspace.mount,
            """
            trap 'exec 3>> \(workspace.live)/file; echo > opened' USR1; trap 'exec 3>&-; echo > closed' USR2
            while :; do sleep 0.01 3>&-; done
            """)
        let check = { (expected: Consistency) in
            let freeze = try workspace.freeze()
            #expect(freeze.consistency == expected, "\(sandbox.sidecar.tail)")
            #expect(try freeze.resume().isHeld)
        }
        try check(.quiesced)
        kill(stranger.pid, SIGUSR1)
        #expect(await eventually { access("\(workspace.mount)/opened", F_OK) == 0 })
        try check(.bestEffort)
        try check(.bestEffort)
        kill(stranger.pid, SIGUSR2)
        #expect(await eventually { access("\(workspace.mount)/closed", F_OK) == 0 })
        try check(.quiesced)
        withExtendedLifetime((sandbox, others)) {}
    }

    @Test("A writer is seen before a switch too, and an agent's process that is born meanwhile is none")
    func switches() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(
            workspace,
            "echo > ready; for i in 1 2 3 4; do while :; do (exec 3>> file; sleep 0.002); done & done; wait")
        #expect(await eventually { workspace.size("ready") > 0 })
        for number in 0..<10 {
            let receipt = try workspace.switchTree(to: "tree-\(number)")
            #expect(receipt.consistency == .quiesced, "\(sandbox.sidecar.tail)")
        }
        let stranger = try Stranger(
            in: workspace.mount, "exec 3>> \(workspace.live)/other; echo > \(workspace.mount)/ready; sleep 1000")
        #expect(await eventually { access("\(workspace.mount)/ready", F_OK) == 0 })
        #expect(try workspace.switchTree(to: "last").consistency == .bestEffort)
        withExtendedLifetime((sandbox, stranger)) {}
    }

    @Test("An agent's process that has left its cgroup is missed")
    func escapes() async throws {
        let workspace = try TestWorkspace()
        let elsewhere = try TestCgroup(.cgroup2, "elsewhere")
        let sandbox = try await Sandbox(
            workspace, "(echo 0 > \(elsewhere.path)/cgroup.procs; cd /; exec sleep 1000) & exec sleep 1000",
            options: ["--freezer", "cgroup2"])
        #expect(await eventually { (try? readText("\(elsewhere.path)/cgroup.procs"))?.isEmpty == false })
        let freeze = try workspace.freeze()
        #expect(freeze.consistency == .bestEffort)
        #expect(try freeze.resume().isHeld)
        let line = try await sandbox.sidecar.line { $0.contains("\"frozen\"") }
        #expect(line.contains("is not frozen with it"))
    }
}
