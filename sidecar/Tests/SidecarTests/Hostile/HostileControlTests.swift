import Glibc
import Quiesce
import RuntimeCore
import TestSupport
import Testing

/// An agent against `.wvs` itself. With a user of its own it can do nothing there. With the sidecar's user it can spoil the
/// workspace's freezes, and each ends in an error or is whole; nobody is left frozen, and once `.wvs` is mended the same sidecar
/// serves again.
@Suite struct HostileControlTests {
    struct Attack: CustomTestStringConvertible, Sendable {
        let name: String
        /// Shell, in `.wvs`.
        let script: String
        var testDescription: String { name }
    }

    static let attacks =
        ["control.json", "control.lock", "freeze.lock", "open-files.json", "sidecar.json", "sidecars/*.json"].flatMap {
            file in
            [
                Attack(name: "\(file) is a link", script: "f=$(echo \(file)); rm -f $f; ln -s /etc/hostname $f"),
                Attack(name: "\(file) is a FIFO", script: "f=$(echo \(file)); rm -f $f; mkfifo $f"),
                Attack(name: "\(file) is a folder", script: "f=$(echo \(file)); rm -f $f; mkdir $f"),
                Attack(name: "\(file) is a file of 1 GB", script: "truncate -s 1G \(file)"),
                Attack(name: "\(file) is gone", script: "rm -f \(file)"),
            ]
        } + [
            Attack(name: "the registrations are a link", script: "mv sidecars aside && ln -s aside sidecars"),
            Attack(name: "the registrations are a FIFO", script: "mv sidecars aside && mkfifo sidecars"),
            Attack(
                name: "the registrations are a file of 1 GB", script: "mv sidecars aside && truncate -s 1G sidecars"),
            Attack(name: "the registrations are gone", script: "mv sidecars aside"),
            Attack(
                name: "there are more registrations than can be",
                script: "(cd sidecars && seq -f %g.json 1100 | xargs touch)"),
            Attack(name: ".wvs is a link", script: "mv $W/.wvs $W/aside && ln -s aside $W/.wvs"),
            Attack(name: ".wvs is a FIFO", script: "mv $W/.wvs $W/aside && mkfifo $W/.wvs"),
            Attack(name: ".wvs is a file of 1 GB", script: "mv $W/.wvs $W/aside && truncate -s 1G $W/.wvs"),
            Attack(name: ".wvs is moved away", script: "mv $W/.wvs $W/aside"),
            Attack(name: ".wvs is gone", script: "rm -rf $W/.wvs"),
            Attack(name: ".wvs is an empty folder", script: "mv $W/.wvs $W/aside && mkdir $W/.wvs"),
            Attack(
                name: "the lock is held for ever",
                script: ": >> control.lock && (exec 9>> control.lock; flock 9; exec sleep 1000) & sleep 0.1"),
        ]

    /// Undoes any of the attacks.
    private static let repair = """
        [ -d aside ] && [ ! -L aside ] && { rm -rf .wvs; mv aside .wvs; }
        [ -d .wvs ] || mkdir -m 700 .wvs
        cd .wvs || exit 1
        [ -d aside ] && { rm -rf sidecars; mv aside sidecars; }
        rm -f sidecars/[0-9]*.json
        for f in control.json control.lock freeze.lock open-files.json sidecar.json sidecars/*.json; do
          [ -f $f ] && [ ! -L $f ] && [ "$(stat -c %s $f)" -lt 65536 ] || rm -rf $f
        done
        :
        """

    @Test("An agent with a user of its own reaches nothing in .wvs: all attacks fail, and every freeze is held")
    func isKeptOut() async throws {
        let workspace = try TestWorkspace()
        // What cannot be entered is tried from outside.
        let tries = Self.attacks.map { "(cd $W/.wvs || cd $W; \($0.script)); ls -A $W/.wvs && echo >> reached" }
        let script = "W=\(workspace.path); (\(tries.joined(separator: "\n"))) 2>/dev/null\n: > done"
        let sandbox = try await Sandbox(
            workspace, "\(script)\nwhile echo line >> log; do :; done", options: ["--user", "4242:4242"])
        #expect(await eventually { workspace.exists("done") })
        #expect(!workspace.exists("reached"))
        let names = try await Command.run(["ls", "-A", workspace.path, "\(workspace.path)/.wvs"])
        #expect(!names.contains("aside"))
        for _ in 0..<3 {
            let freeze = try workspace.freeze()
            #expect(freeze.consistency == .quiesced)
            #expect(try freeze.resume().isHeld)
        }
        withExtendedLifetime(sandbox) {}
    }

    @Test("A sidecar that starts does not follow .wvs into another workspace")
    func startsNowhereElse() async throws {
        let workspace = try TestWorkspace()
        let other = try TestWorkspace(wsid: "other", in: workspace.mount)
        let folder = "\(workspace.path)/.wvs"
        _ = try await Command.run(["sh", "-c", "rm -r \(folder); ln -s ../other/.wvs \(folder)"])
        let sidecar = try ProgramProcess(
            "wvs-sidecar",
            arguments: ["run", "--workspace", workspace.path, "--state-dir", "\(workspace.mount)/state", "--", "true"])
        #expect(try await sidecar.ended() == 125)
        #expect(sidecar.lines.contains { $0.contains("control directory cannot be opened") })
        #expect(try Participant.others(than: "", controlDirectory: other.control).isEmpty)
        #expect(access("\(other.path)/.wvs/sidecar.json", F_OK) == -1)
    }

    @Test("Nor does one that serves, when its own is removed: it waits for another of its own")
    func goesNowhereElse() async throws {
        let workspace = try TestWorkspace()
        let other = try TestWorkspace(wsid: "other", in: workspace.mount)
        let sandbox = try await Sandbox(workspace, "exec sleep 1000")
        #expect(try workspace.freeze().resume().isHeld)
        // The removal is what it is told of.
        let script = "mv .wvs aside; ln -s ../other/.wvs .wvs; rm -r aside"
        try await Command.run(["sh", "-c", "cd \(workspace.path); \(script)"])
        try await Command.run(["sh", "-c", "cd \(workspace.path); rm .wvs; mkdir -m 700 .wvs"])
        try workspace.prepareAnew()
        #expect(try workspace.freezeAnew(timeout: .seconds(20)).resume().isHeld)
        #expect(!sandbox.sidecar.hasEnded)
        #expect(access("\(other.path)/.wvs/sidecar.json", F_OK) == -1)
    }

    @Test("With the sidecar's own user", arguments: attacks)
    func endsWellForEveryone(_ attack: Attack) async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(
            workspace,
            "W=\(workspace.path); while [ ! -e go ]; do sleep 0.01; done; (cd $W/.wvs && \(attack.script)); : > done\n"
                + "while echo line >> log; do :; done")
        #expect(try workspace.freeze().resume().isHeld)
        close(open("\(workspace.live)/go", O_WRONLY | O_CREAT | O_CLOEXEC, 0o644))
        #expect(await eventually { workspace.exists("done") })
        let outcome: String
        do {
            outcome = try workspace.freezeAnew(timeout: .seconds(1)).resume().isHeld ? "held" : "not held"
        } catch {
            outcome = "\(error)"
        }
        print("\(attack.name): \(outcome)")
        #expect(outcome != "not held")
        let size = workspace.size("log")
        #expect(await eventually { workspace.size("log") > size }, "the agent is not left frozen")
        #expect(!sandbox.sidecar.hasEnded)
        try await Command.run(["sh", "-c", "cd \(workspace.path) && \(Self.repair)"])
        try workspace.prepareAnew()
        let receipt = try workspace.freezeAnew(timeout: .seconds(20)).resume()
        #expect(receipt.isHeld, "the same sidecar serves the next request")
    }

    /// Somebody of the sidecar's user who stays outside the freeze, and spoils one file after the other.
    @Test(
        "Attacks that go on while agents are frozen end each freeze in an error, or it is whole; afterwards all is well"
    )
    func outlastsSiege() async throws {
        let workspace = try TestWorkspace()
        let sandbox = try await Sandbox(workspace, "while echo line >> log; do :; done")
        #expect(await eventually { workspace.size("log") > 0 })
        let siege = try Stranger(
            in: "\(workspace.path)/.wvs",
            """
            n=0; cp control.json ../good
            while :; do
              for f in control.json control.lock control.json open-files.json control.json sidecar.json; do
                n=$((n + 1)); echo $n > ../attacks
                case $((n % 5)) in
                0) rm -rf $f; ln -s /etc/hostname $f;; 1) rm -rf $f; mkfifo $f;; 2) rm -rf $f; mkdir $f;;
                3) truncate -s 1G $f;; *) rm -rf $f;;
                esac
                sleep 0.03; rm -rf $f
                # Half of the time all is as it should be.
                [ $f != control.json ] || cp ../good $f; sleep 0.03
              done
            done 2>/dev/null
            """)
        var outcomes: [String: Int] = [:]
        let attacks = { Int((try? readText("\(workspace.path)/attacks"))?.filter(\.isNumber) ?? "") ?? 0 }
        let deadline = MonotonicTime.now + .seconds(60)
        var rounds = 0
        while rounds < 20 || (.now < deadline && outcomes.count < 2) {
            rounds += 1
            let start = attacks()
            do {
                let freeze = try workspace.freezeAnew(timeout: .milliseconds(500))
                let before = workspace.size("log")
                for _ in 0..<20 { sched_yield() }
                let after = workspace.size("log")
                if try freeze.resume(timeout: .milliseconds(500), cancellation: Cancellation()).isHeld {
                    #expect(after == before, "a freeze that was held")
                    outcomes["held", default: 0] += 1
                }
            } catch {
                outcomes["\(error)", default: 0] += 1
            }
            #expect(await eventually { attacks() > start + rounds % 3 }, "the siege goes on")
        }
        print("under siege: \(outcomes), \(attacks()) attacks")
        // Otherwise nothing was put to the test.
        #expect(outcomes.count > 1 && outcomes["held"] != nil)
        siege.end()
        let size = workspace.size("log")
        #expect(await eventually { workspace.size("log") > size }, "the agent is not left frozen")
        #expect(!sandbox.sidecar.hasEnded)
        try await Command.run(["sh", "-c", "cd \(workspace.path) && \(Self.repair)"])
        try workspace.prepareAnew()
        #expect(try workspace.freezeAnew(timeout: .seconds(20)).resume().isHeld)
    }

    @Test("A forged FROZEN publishes nothing: nobody who froze answers the resume")
    func forgesFrozen() async throws {
        let workspace = try TestWorkspace()
        let forger = RemoteWorkspace.agent("forging_agent.py")
        let sandbox = try await Sandbox(
            workspace, "exec /usr/bin/python3 \(forger) \(workspace.path)/.wvs/control.json 3")
        #expect(await eventually { workspace.size("log") > 0 })
        for round in 1...3 {
            // Or it would be faster than any forger.
            sandbox.sidecar.signal(SIGSTOP)
            let freeze = try workspace.freeze()
            #expect(freeze.acknowledgements.values.first?.nonce == "forged")
            sandbox.sidecar.signal(SIGCONT)
            let error = #expect(throws: QuiesceError.self, "forgery \(round)") {
                try freeze.resume(timeout: .seconds(1), cancellation: try Cancellation())
            }
            #expect(error?.description.contains("no answer to the resume") == true, "\(String(describing: error))")
        }
        #expect(await eventually { workspace.exists("tired") })
        #expect(try workspace.freeze().resume().isHeld)
        withExtendedLifetime(sandbox) {}
    }

    @Test("An agent that has filled the disk can be frozen")
    func fillsDisk() async throws {
        try await ScratchFileSystem.with(.tmpfs, megabytes: 4) { disk in
            let workspace = try TestWorkspace(in: disk.path)
            let sandbox = try await Sandbox(
                workspace.path, state: "\(disk.path).state",
                [
                    "/bin/sh", "-c",
                    "cat /dev/zero > big 2>/dev/null; while :; do echo line >> small || : > /proc/self/comm; done 2>/dev/null",
                ])
            var status = statvfs()
            #expect(await eventually { statvfs(disk.path, &status) == 0 && status.f_bavail == 0 })
            let freeze = try workspace.freeze()
            #expect(freeze.consistency == .quiesced)
            #expect(try freeze.resume().isHeld)
            withExtendedLifetime(sandbox) {}
        }
    }
}
