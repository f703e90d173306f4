private import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// `wvs-sidecar attach`: agents that somebody else has started.
@Suite struct AttachTests {
    private static let writing = "while echo line >> log; do :; done"

    @Test(
        "An existing cgroup of either kind is frozen, proved, and left as it was", arguments: TestCgroup.Kind.allCases)
    func cgroup(kind: TestCgroup.Kind) async throws {
        let workspace = try TestWorkspace()
        let cgroup = try TestCgroup(kind, "attach")
        let agent = try Stranger(in: workspace.live, "exec 3>> held; echo x >&3; \(Self.writing)", cgroup: cgroup.path)
        #expect(await eventually { workspace.size("log") > 0 })
        let attached = try await Attached(workspace, ["attach", "--cgroup", cgroup.path])
        for _ in 0..<2 {
            let freeze = try workspace.freeze()
            let before = workspace.size("log")
            #expect(cgroup.isFrozen)
            #expect(freeze.acknowledgements.values.map(\.method.rawValue) == [kind.rawValue])
            #expect(freeze.consistency == .quiesced)
            #expect((freeze.acknowledgements.values.first?.flushedFiles ?? 0) >= 1)
            for _ in 0..<20 { sched_yield() }
            #expect(workspace.size("log") == before)
            #expect(try freeze.resume().isHeld)
            #expect(await eventually { workspace.size("log") > before })
        }
        #expect(attached.sidecar.end(SIGTERM) == 0)
        #expect(access(cgroup.path, F_OK) == 0)
        withExtendedLifetime(agent) {}
    }

    @Test("An agent that makes cgroups and removes them all the time is frozen every time")
    func passingCgroups() async throws {
        let workspace = try TestWorkspace()
        let cgroup = try TestCgroup(.cgroup2, "passing")
        let agent = try Stranger(
            in: workspace.live,
            "exec python3 -c 'import os\nwhile 1:\n for f in os.mkdir, os.rmdir:\n  for i in range(5): f(\"\(cgroup.path)/c%d\" % i)'",
            cgroup: cgroup.path)
        let attached = try await Attached(workspace, ["attach", "--cgroup", cgroup.path])
        for _ in 0..<100 { #expect(try workspace.freeze().resume().isHeld) }
        agent.end()
        for number in 0..<5 { rmdir("\(cgroup.path)/c\(number)") }
        withExtendedLifetime(attached) {}
    }

    @Test("A sidecar killed while a cgroup1 is frozen leaves its agent running")
    func killed() async throws {
        let workspace = try TestWorkspace()
        let cgroup = try TestCgroup(.cgroup1, "killed")
        let agent = try Stranger(in: workspace.live, Self.writing, cgroup: cgroup.path)
        let attached = try await Attached(workspace, ["attach", "--cgroup", cgroup.path])
        let freeze = try workspace.freeze(lease: .seconds(60))
        let before = workspace.size("log")
        attached.sidecar.end(SIGKILL)
        #expect(await eventually { workspace.size("log") > before })
        #expect(throws: QuiesceError.self) { try freeze.resume() }
        withExtendedLifetime(agent) {}
    }

    @Test(
        "A cgroup that somebody else lets run is not held, whatever the lease says", arguments: TestCgroup.Kind.allCases
    )
    func foreignThaw(kind: TestCgroup.Kind) async throws {
        let workspace = try TestWorkspace()
        let cgroup = try TestCgroup(kind, "thawed")
        let agent = try Stranger(in: workspace.live, Self.writing, cgroup: cgroup.path)
        let attached = try await Attached(workspace, ["attach", "--cgroup", cgroup.path])
        let freeze = try workspace.freeze(lease: .seconds(60))
        cgroup.setFrozen(false)
        #expect(await eventually { !cgroup.isFrozen })
        #expect(throws: QuiesceError.self) { try freeze.resume() }
        #expect(try workspace.freeze().resume().isHeld)
        withExtendedLifetime((attached, agent)) {}
    }

    @Test("A cgroup2 that somebody else lets run and freezes again is not held")
    func foreignInterlude() async throws {
        let workspace = try TestWorkspace()
        let cgroup = try TestCgroup(.cgroup2, "interlude")
        let agent = try Stranger(in: workspace.live, Self.writing, cgroup: cgroup.path)
        #expect(await eventually { workspace.size("log") > 0 })
        let attached = try await Attached(workspace, ["attach", "--cgroup", cgroup.path])
        let freeze = try workspace.freeze(lease: .seconds(60))
        let before = workspace.size("log")
        cgroup.setFrozen(false)
        // As much as takes it some ten milliseconds.
        #expect(await eventually { workspace.size("log") > before + 50_000 })
        cgroup.setFrozen(true)
        #expect(await eventually { cgroup.isFrozen })
        #expect(throws: QuiesceError.self) { try freeze.resume() }
        withExtendedLifetime((attached, agent)) {}
    }

    @Test("A cgroup that somebody else has frozen is refused, and left frozen", arguments: TestCgroup.Kind.allCases)
    func foreignFreeze(kind: TestCgroup.Kind) async throws {
        let workspace = try TestWorkspace()
        let cgroup = try TestCgroup(kind, "paused")
        let agent = try Stranger(in: workspace.live, Self.writing, cgroup: cgroup.path)
        let attached = try await Attached(workspace, ["attach", "--cgroup", cgroup.path])
        #expect(try workspace.freeze().resume().isHeld)
        cgroup.setFrozen(true)
        // A process that is frozen in a cgroup1 does not even die.
        defer { cgroup.setFrozen(false) }
        #expect(await eventually { cgroup.isFrozen })
        #expect(throws: QuiesceError.self) { try workspace.freeze() }
        #expect(attached.sidecar.end(SIGTERM) == 0)
        #expect(cgroup.isFrozen)
        #expect(attached.sidecar.lines.contains { $0.contains("stands frozen already and not by this sidecar") })
        withExtendedLifetime(agent) {}
    }

    @Test(
        "What a sidecar and its guardian left frozen together is thawed by the next, though no state file tells of it",
        arguments: TestCgroup.Kind.allCases)
    func leftover(kind: TestCgroup.Kind) async throws {
        let workspace = try TestWorkspace()
        let cgroup = try TestCgroup(kind, "leftover")
        let agent = try Stranger(in: workspace.live, Self.writing, cgroup: cgroup.path)
        defer { cgroup.setFrozen(false) }
        let first = try await Attached(workspace, ["attach", "--cgroup", cgroup.path])
        let freeze = try workspace.freeze(lease: .seconds(2))
        let guardian = try #require(try Sandbox.guardian(of: first.sidecar.pid))
        kill(guardian, SIGSTOP)
        first.sidecar.end(SIGKILL)
        kill(guardian, SIGKILL)
        #expect(cgroup.isFrozen)
        #expect(rename("\(workspace.mount)/state", "\(workspace.mount)/lost") == 0)
        let second = try await Attached(workspace, ["attach", "--cgroup", cgroup.path])
        #expect(await eventually { !cgroup.isFrozen })
        #expect(throws: QuiesceError.self) { try freeze.resume() }
        #expect(second.sidecar.lines.contains { $0.contains("continuity lost") })
        #expect(try workspace.freeze().resume().isHeld)
        withExtendedLifetime(agent) {}
    }

    @Test("A process is frozen with its descendants, also those that lose their parent; nobody else is")
    func tree() async throws {
        let workspace = try TestWorkspace()
        let bystander = try Stranger(in: workspace.mount, "while :; do sleep 0.01; done")
        let script =
            "(sh -c 'while echo line >> log; do :; done' & echo $! > orphan; exec sleep 1000) & echo $! > parent; wait; \(Self.writing)"
        let agent = try Stranger(in: workspace.live, script)
        #expect(await eventually { workspace.size("log") > 0 && workspace.size("parent") > 0 })
        let attached = try await Attached(workspace, ["attach", "--pid", String(agent.pid), "--freezer", "sigstop"])
        let first = try workspace.freeze()
        #expect(first.acknowledgements.values.map(\.method) == [.sigstop])
        #expect(try first.resume().isHeld)
        let text = try readText("\(workspace.live)/parent")
        let parent = try #require(CInt(text.filter(\.isNumber)))
        kill(parent, SIGKILL)
        let orphan = try #require(CInt(try readText("\(workspace.live)/orphan").filter(\.isNumber)))
        #expect(await eventually { ProcessState.of(parent) == nil || ProcessState.of(parent) == "Z" })
        let second = try workspace.freeze()
        #expect(ProcessState.of(agent.pid) == "T")
        #expect(ProcessState.of(orphan) == "T")
        #expect(ProcessState.of(bystander.pid) != "T")
        let before = workspace.size("log")
        for _ in 0..<20 { sched_yield() }
        #expect(workspace.size("log") == before)
        #expect(try second.resume().isHeld)
        kill(orphan, SIGKILL)
        agent.end()
        #expect(try await attached.sidecar.ended() == 0)
    }

    @Test("The cgroup of a process is frozen instead, where nobody else is in it")
    func ownCgroup() async throws {
        let workspace = try TestWorkspace()
        let cgroup = try TestCgroup(.cgroup2, "own")
        let agent = try Stranger(in: workspace.live, Self.writing, cgroup: cgroup.path)
        #expect(await eventually { workspace.size("log") > 0 })
        let attached = try await Attached(workspace, ["attach", "--pid", String(agent.pid)])
        let freeze = try workspace.freeze()
        #expect(freeze.acknowledgements.values.map(\.method) == [.cgroup2])
        #expect(freeze.consistency == .quiesced)
        #expect(cgroup.isFrozen)
        #expect(try freeze.resume().isHeld)
        withExtendedLifetime((attached, agent)) {}
    }

    @Test("The next process of a pidfile is frozen when the first has ended; between them nobody is")
    func pidfile() async throws {
        let workspace = try TestWorkspace()
        let pidfile = "\(workspace.mount)/agent.pid"
        let attached = try await Attached(workspace, ["attach", "--pidfile", pidfile, "--poll-interval", "20ms"])
        for round in 1...2 {
            let vacant = try workspace.freeze()
            #expect(vacant.acknowledgements.values.map(\.processes) == [0])
            #expect(try vacant.resume().isHeld)
            let agent = try Stranger(
                in: workspace.live, "echo $$ > \(pidfile); while echo line >> log\(round); do :; done")
            let seen = try await attached.sidecar.line {
                $0.contains("attached") && Sandbox.field("pid", of: $0) == String(agent.pid)
            }
            #expect(!seen.isEmpty)
            let freeze = try workspace.freeze()
            #expect(ProcessState.of(agent.pid) == "T")
            #expect(try freeze.resume().isHeld)
            agent.end()
            let ended = try await attached.sidecar.line {
                $0.contains("agent ended") && Sandbox.field("pid", of: $0) == String(agent.pid)
            }
            #expect(!ended.isEmpty)
        }
    }

    @Test("A pidfile counts by its first line, and the log says why one names nobody")
    func pidfileLines() async throws {
        let workspace = try TestWorkspace()
        let pidfile = "\(workspace.mount)/agent.pid"
        let attached = try await Attached(workspace, ["attach", "--pidfile", pidfile, "--poll-interval", "20ms"])
        _ = try await attached.sidecar.line { $0.contains("waiting for the agent") && $0.contains("No such file") }
        close(open(pidfile, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
        _ = try await attached.sidecar.line { $0.contains("waiting for the agent") && $0.contains("no process id") }
        let agent = try Stranger(in: workspace.live, "echo $$ > next; echo 7 >> next; mv next \(pidfile); sleep 600")
        _ = try await attached.sidecar.line {
            $0.contains("attached") && Sandbox.field("pid", of: $0) == String(agent.pid)
        }
        withExtendedLifetime(agent) {}
    }

    @Test("A FIFO or an endless file in place of the pidfile holds nobody up")
    func hostilePidfile() async throws {
        let workspace = try TestWorkspace()
        let pidfile = "\(workspace.mount)/agent.pid"
        #expect(mkfifo(pidfile, 0o600) == 0)
        let attached = try await Attached(workspace, ["attach", "--pidfile", pidfile, "--poll-interval", "20ms"])
        #expect(try workspace.freeze().resume().isHeld)
        unlink(pidfile)
        #expect(symlink("/dev/zero", pidfile) == 0)
        #expect(try workspace.freeze().resume().isHeld)
        unlink(pidfile)
        close(open(pidfile, O_WRONLY | O_CREAT | O_CLOEXEC, 0o600))
        #expect(truncate(pidfile, 1 << 40) == 0)
        #expect(try workspace.freeze().resume().isHeld)
        #expect(attached.sidecar.end(SIGTERM) == 0)
    }

    @Test("Neither the sidecar itself nor what it descends from can be attached to")
    func refusesAncestors() async throws {
        let workspace = try TestWorkspace()
        for arguments in [["--pid", String(getpid())], ["--cgroup", "/proc"]] {
            let result = try await output(
                "wvs-sidecar",
                ["attach", "--workspace", workspace.path, "--state-dir", "\(workspace.mount)/state"] + arguments)
            #expect(result.status == 125)
        }
    }

    @Test("A cgroup that the sidecar is in is refused, and nothing is frozen")
    func refusesItself() async throws {
        let workspace = try TestWorkspace()
        let cgroup = try TestCgroup(.cgroup2, "self")
        let program = "\(ProgramProcess.folder)/wvs-sidecar"
        let sidecar = try ProgramProcess(
            "sh", at: "/bin/sh",
            arguments: [
                "-c",
                "echo $$ > \(cgroup.path)/cgroup.procs; exec \(program) attach --cgroup \(cgroup.path) --workspace "
                    + "\(workspace.path) --state-dir \(workspace.mount)/state",
            ])
        #expect(try await sidecar.ended() == 125)
        #expect(sidecar.lines.contains { $0.contains("the sidecar itself would be frozen") })
        #expect(!cgroup.isFrozen)
    }
}
