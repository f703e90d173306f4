private import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// The places in which a sidecar has to work: namespaces and capabilities are real, made by unshare(1) and setpriv(1).
@Suite struct PrivilegeTests {
    private static let writing = "exec 3>> held; echo dirty >&3; while echo line >> log; do :; done"
    private static let uid: UInt32 = 4242

    /// A sidecar below a launcher, and what it started; ended by a signal to the sidecar itself.
    private final class Launched: Sendable {
        let process: ProgramProcess
        private let mark = ProcessMark()

        init(_ script: String) throws {
            process = try ProgramProcess(
                "sh", at: "/bin/sh", arguments: ["-c", script], environment: mark.environment)
        }

        /// The sidecar's pid in this PID namespace.
        var sidecar: CInt? {
            var next = process.pid
            for _ in 0..<5 {
                guard let name = try? readText("/proc/\(next)/comm") else { return nil }
                if name == "wvs-sidecar\n" { return next }
                guard let children = try? readText("/proc/\(next)/task/\(next)/children"),
                    let child = children.split(separator: " ").first.flatMap({ CInt($0) })
                else { return nil }
                next = child
            }
            return nil
        }

        func end() async throws -> Int32 {
            if let sidecar { kill(sidecar, SIGTERM) }
            return try await process.ended()
        }

        deinit { mark.killAll() }
    }

    /// A workspace whose control directory belongs to another user, and the program where that user can start it.
    private func workspaceOfOther() async throws -> (workspace: TestWorkspace, program: String, state: String) {
        let workspace = try TestWorkspace()
        let program = "\(workspace.mount)/wvs-sidecar"
        let state = "\(workspace.mount)/state"
        let setup = try ProgramProcess(
            "sh", at: "/bin/sh",
            arguments: [
                "-c",
                "cp '\(ProgramProcess.folder)/wvs-sidecar' \(program) && chmod 755 \(program) && mkdir -m 700 \(state) && "
                    + "chown -R \(Self.uid):\(Self.uid) \(workspace.path)/.wvs \(state)",
            ])
        #expect(try await setup.ended() == 0, "\(setup.tail)")
        return (workspace, program, state)
    }

    /// In a mount namespace: the mount points of the cgroups that can freeze, of one kind.
    private static func mounts(of kind: String) -> String {
        kind == "cgroup2"
            ? "awk '$3 == \"cgroup2\" { print $2 }' /proc/self/mounts"
            : "awk '$3 == \"cgroup\" && $4 ~ /(^|,)freezer(,|$)/ { print $2 }' /proc/self/mounts"
    }

    @Test(
        "Of what the mount table offers the best freezer that may be written to is taken, and the receipt names it",
        arguments: [
            ("", "", FreezeMethod.cgroup2), ("umount", "", .cgroup1), ("remount,ro", "", .cgroup1),
            ("", "umount", .cgroup2), ("umount", "umount", .sigstop), ("remount,ro", "remount,ro", .sigstop),
            ("tmpfs", "tmpfs", .sigstop),
        ])
    func mountTable(second: String, first: String, expected: FreezeMethod) async throws {
        let workspace = try TestWorkspace()
        let change = [("cgroup2", second), ("cgroup1", first)].map { kind, way in
            let command =
                switch way {
                case "umount": "umount -l $m"
                case "remount,ro": "mount -o remount,ro,bind $m"
                // What is below a mount that hides it is not to be had, whatever the table says.
                case "tmpfs": "mount -t tmpfs none $m"
                default: ":"
                }
            return "for m in $(\(Self.mounts(of: kind))); do \(command) || exit 99; done"
        }
        let script = """
            \(change.joined(separator: "\n"))
            exec \(ProgramProcess.folder)/wvs-sidecar run --workspace \(workspace.path) --state-dir \(workspace.mount)/state \
            -- /bin/sh -c '\(Self.writing)'
            """
        let launched = try Launched("exec unshare --mount /bin/sh -c '\(script.replacing("'", with: "'\\''"))'")
        #expect(
            await eventually(within: .seconds(30)) { workspace.size("log") > 0 }, "\(launched.process.tail)")
        let freeze = try workspace.freeze()
        let before = workspace.size("log")
        #expect(freeze.acknowledgements.values.map(\.method) == [expected], "\(launched.process.tail)")
        #expect(freeze.consistency == (expected == .sigstop ? .bestEffort : .quiesced), "\(launched.process.tail)")
        for _ in 0..<20 { sched_yield() }
        #expect(workspace.size("log") == before)
        #expect(try freeze.resume().isHeld)
        #expect(await eventually { workspace.size("log") > before })
        #expect(try await launched.end() == 128 + SIGTERM)
    }

    @Test("As PID 1 of a PID namespace it freezes its agent and reaps the orphans")
    func firstOfNamespace() async throws {
        let workspace = try TestWorkspace()
        let orphan = "(sh -c 'echo $$ > orphan; sleep 0.2' &)"
        let wait = "while [ ! -s orphan ] || [ -e /proc/$(cat orphan) ]; do sleep 0.01; done; echo reaped > reaped"
        let launched = try Launched(
            """
            exec unshare --pid --fork --mount-proc \(ProgramProcess.folder)/wvs-sidecar run \
            --workspace \(workspace.path) --state-dir \(workspace.mount)/state -- /bin/sh -c '\(orphan.replacing("'", with: "'\\''"))
            \(wait); \(Self.writing)'
            """)
        #expect(await eventually(within: .seconds(30)) { workspace.size("reaped") > 0 && workspace.size("log") > 0 })
        let freeze = try workspace.freeze()
        let before = workspace.size("log")
        #expect(freeze.acknowledgements.values.map(\.method) == [.cgroup2])
        #expect(freeze.consistency == .quiesced)
        for _ in 0..<20 { sched_yield() }
        #expect(workspace.size("log") == before)
        #expect(try freeze.resume().isHeld)
        #expect(try await launched.end() == 128 + SIGTERM)
    }

    @Test(
        "Two sandboxes on one workspace that do not see each other both stand still and prove it; when one dies whole, nothing may be made of it"
    )
    func twoSandboxes() async throws {
        let workspace = try TestWorkspace()
        let names = ["one", "two"]
        let launched = try names.map { name in
            try Launched(
                """
                exec unshare --pid --fork --mount-proc \(ProgramProcess.folder)/wvs-sidecar run \
                --workspace \(workspace.path) --state-dir \(workspace.mount)/state-\(name) \
                -- /bin/sh -c 'exec 3>> held-\(name); echo dirty >&3; while echo line >> \(name); do :; done'
                """)
        }
        let sizes = { names.map { workspace.size($0) } }
        #expect(await eventually(within: .seconds(30)) { sizes().allSatisfy { $0 > 0 } })
        for round in 0..<3 {
            let freeze = try workspace.freeze()
            let before = sizes()
            #expect(freeze.acknowledgements.values.map(\.method) == [.cgroup2, .cgroup2])
            #expect(freeze.acknowledgements.values.allSatisfy { $0.flushedFiles >= 1 })
            #expect(freeze.consistency == .quiesced, "\(launched.map(\.process.tail))")
            for _ in 0..<20 { sched_yield() }
            #expect(sizes() == before)
            if round < 2 {
                #expect(try freeze.resume().isHeld)
                #expect(await eventually { zip(sizes(), before).allSatisfy { $0 > $1 } })
                continue
            }
            // The first process of a PID namespace takes everybody in it along: agent, guardian.
            kill(try #require(launched[0].sidecar), SIGKILL)
            _ = try await launched[0].process.ended()
            #expect(throws: QuiesceError.self) { try freeze.resume() }
            #expect(await eventually { workspace.size("two") > before[1] }, "the other is not left frozen")
        }
        #expect(try await launched[1].end() == 128 + SIGTERM)
    }

    @Test("In a container with a delegated cgroup, and no other right, it freezes by cgroup2 and proves it")
    func delegated() async throws {
        let (workspace, program, state) = try await workspaceOfOther()
        let cgroup = try TestCgroup(.cgroup2, "delegated")
        let user = "--reuid \(Self.uid) --regid \(Self.uid) --clear-groups"
        let launched = try Launched(
            """
            chown -R \(Self.uid) \(cgroup.path) && echo 0 > \(cgroup.path)/cgroup.procs &&
            exec unshare --cgroup --mount --pid --fork --mount-proc /bin/sh -c 'umount -a -t cgroup,cgroup2
            mkdir -p \(workspace.mount)/cgroup && mount -t cgroup2 none \(workspace.mount)/cgroup &&
            exec setpriv \(user) --inh-caps=-all --bounding-set=-all --no-new-privs \(program) run \
            --workspace \(workspace.path) --state-dir \(state) -- /bin/sh -c "\(Self.writing)"'
            """)
        #expect(await eventually(within: .seconds(30)) { workspace.size("log") > 0 }, "\(launched.process.tail)")
        let freeze = try workspace.freeze()
        let before = workspace.size("log")
        let acknowledgement = try #require(freeze.acknowledgements.values.first)
        #expect(acknowledgement.method == .cgroup2)
        #expect(acknowledgement.consistency == .quiesced, "\(launched.process.tail)")
        #expect(acknowledgement.flushedFiles >= 1)
        for _ in 0..<20 { sched_yield() }
        #expect(workspace.size("log") == before)
        #expect(try freeze.resume().isHeld)
        #expect(try await launched.end() == 128 + SIGTERM)
    }

    @Test(
        "A cgroup whose members live in another PID namespace is frozen, and proves nothing of files that nobody saw",
        arguments: TestCgroup.Kind.allCases)
    func unseenMembers(kind: TestCgroup.Kind) async throws {
        let workspace = try TestWorkspace()
        let cgroup = try TestCgroup(kind, "unseen")
        let agent = try Stranger(in: workspace.live, Self.writing, cgroup: cgroup.path)
        #expect(await eventually { workspace.size("log") > 0 })
        let launched = try Launched(
            """
            exec unshare --pid --fork --mount-proc \(ProgramProcess.folder)/wvs-sidecar attach --cgroup \(cgroup.path) \
            --workspace \(workspace.path) --state-dir \(workspace.mount)/state
            """)
        _ = try await launched.process.line { $0.contains("sidecar ready") }
        let freeze = try workspace.freeze()
        #expect(cgroup.isFrozen)
        #expect(freeze.acknowledgements.values.map(\.processes) == [0])
        #expect(freeze.consistency == .bestEffort)
        #expect(!freeze.openFiles.complete)
        #expect(try freeze.resume().isHeld)
        let line = try await launched.process.line { $0.contains("\"frozen\"") }
        #expect(line.contains("in another PID namespace"))
        #expect(try await launched.end() == 0)
        withExtendedLifetime(agent) {}
    }

    @Test("In a shared PID namespace CAP_KILL and CAP_SYS_PTRACE are enough for another user's agent")
    func twoCapabilities() async throws {
        let (workspace, program, state) = try await workspaceOfOther()
        let agent = try Stranger(
            in: workspace.live, Self.writing,
            launcher: ["setpriv", "--reuid", "4243", "--regid", "4243", "--clear-groups"])
        #expect(await eventually { workspace.size("log") > 0 })
        let launched = try Launched(
            """
            exec setpriv --reuid \(Self.uid) --regid \(Self.uid) --clear-groups --inh-caps=-all,+kill,+sys_ptrace \
            --ambient-caps=-all,+kill,+sys_ptrace --bounding-set=-all,+kill,+sys_ptrace \
            \(program) attach --pid \(agent.pid) --workspace \(workspace.path) --state-dir \(state)
            """)
        _ = try await launched.process.line { $0.contains("sidecar ready") }
        let freeze = try workspace.freeze()
        let before = workspace.size("log")
        let acknowledgement = try #require(freeze.acknowledgements.values.first)
        #expect(ProcessState.of(agent.pid) == "T")
        #expect(acknowledgement.method == .sigstop)
        #expect(acknowledgement.flushedFiles >= 1)
        #expect(freeze.openFiles.complete)
        for _ in 0..<20 { sched_yield() }
        #expect(workspace.size("log") == before)
        #expect(try freeze.resume().isHeld)
        #expect(await eventually { workspace.size("log") > before })
        #expect(try await launched.end() == 0)
    }

    @Test("Without any privilege it freezes and flushes its own child, best effort")
    func unprivileged() async throws {
        let (workspace, program, state) = try await workspaceOfOther()
        let launched = try Launched(
            """
            exec setpriv --reuid \(Self.uid) --regid \(Self.uid) --clear-groups --inh-caps=-all --bounding-set=-all \
            \(program) run --workspace \(workspace.path) --state-dir \(state) -- /bin/sh -c '\(Self.writing)'
            """)
        #expect(await eventually { workspace.size("log") > 0 }, "\(launched.process.tail)")
        let freeze = try workspace.freeze()
        let before = workspace.size("log")
        let acknowledgement = try #require(freeze.acknowledgements.values.first)
        #expect(acknowledgement.method == .sigstop)
        #expect(acknowledgement.flushedFiles >= 1)
        #expect(acknowledgement.consistency == .bestEffort)
        #expect(workspace.size("log") == before)
        #expect(try freeze.resume().isHeld)
        #expect(await eventually { workspace.size("log") > before })
        #expect(try await launched.end() == 128 + SIGTERM)
    }

    @Test("Processes that it may not look into and that could hold the workspace are no proof of quiet")
    func closedProcesses() async throws {
        let (workspace, program, state) = try await workspaceOfOther()
        let cgroup = try TestCgroup(.cgroup2, "closed")
        let launched = try Launched(
            """
            chown -R \(Self.uid) \(cgroup.path) && mkdir \(cgroup.path)/agent && chown -R \(Self.uid) \(cgroup.path) &&
            exec setpriv --reuid \(Self.uid) --regid \(Self.uid) --clear-groups --inh-caps=-all --bounding-set=-all \
            \(program) attach --cgroup \(cgroup.path)/agent --workspace \(workspace.path) --state-dir \(state)
            """)
        _ = try await launched.process.line { $0.contains("sidecar ready") }
        let freeze = try workspace.freeze()
        #expect(freeze.acknowledgements.values.map(\.method) == [.cgroup2])
        #expect(freeze.consistency == .bestEffort)
        #expect(try freeze.resume().isHeld)
        let line = try await launched.process.line { $0.contains("\"frozen\"") }
        #expect(line.contains("may not be looked into"))
        #expect(try await launched.end() == 0)
        rmdir("\(cgroup.path)/agent")
    }
}
