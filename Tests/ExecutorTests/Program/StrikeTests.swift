import ExecutorRPC
import FakeAgent
import Foundation
import Glibc
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// Two sandboxes on one workspace and an executor, all of them programs. One is halted at a step of the handshake, and there the
/// first sandbox's sidecar, its guardian and the executor are killed or stopped, alone and together. Whatever becomes of the
/// attempt: what is published is whole, both agents run again, and the next attempt succeeds.
@Suite(.enabled(if: ScratchFileSystem.canMount, "mounting takes root"))
struct StrikeTests {
    /// Where one of the programs stands.
    struct Point: CustomTestStringConvertible, Sendable {
        let name: String
        let operation: Operation
        let phases: Int
        /// Which passage of it.
        let passage: Int
        /// The first sandbox's sidecar, else the executor.
        var isOfSidecar: Bool { name.hasPrefix("sidecar.") }

        init(_ name: String, _ operation: Operation, phases: Int = 2, passage: Int = 1) {
            self.name = name
            self.operation = operation
            self.phases = phases
            self.passage = passage
        }

        var testDescription: String { "\(operation.name) at \(name)" }

        /// Both agents stand still for a snapshot, and nobody has been asked to let them go.
        var isWithinFreeze: Bool {
            guard operation.name == StrikeTests.create.name else { return false }
            return !["sidecar.request_seen", "sidecar.resume_seen", "sidecar.thawed", "sidecar.held_written"]
                .contains(name) && !["quiesce.request_written", "quiesce.resume_written"].contains(name)
        }
    }

    enum Party: CaseIterable { case sidecar, guardian, executor }

    struct Blow: CustomStringConvertible {
        let parties: [Party]
        let kills: Bool

        var description: String {
            "\(parties.map { "\($0)" }.joined(separator: ", ")) \(kills ? "killed" : "stopped")"
        }

        func meets(_ party: Party) -> Bool { parties.contains(party) }

        /// Each alone, each two, and all three.
        static let all = (1..<8).flatMap { set in
            let parties = Party.allCases.enumerated().filter { set >> $0.offset & 1 == 1 }.map(\.element)
            return [true, false].map { Blow(parties: parties, kills: $0) }
        }

        /// At each step the sidecar and the executor are killed alone in the integration's CrashTests.
        static let alone = all.filter { $0.parties.count == 1 && (!$0.kills || $0.meets(.guardian)) }
    }

    private static let create = Operation.snapshotCreate(
        snapshotID: "01890000-0000-7000-8000-0000000000e1", message: "")
    private static let set = Operation.setCurrent(
        snapshotID: Ids.snapshot, liveID: "01890000-0000-7000-8000-0000000000e2", discard: true)

    /// Where both agents stand still, or are just to be let go: there the strikes are together, too.
    static let core = [
        Point("sidecar.frozen_before_ack", create), Point("sidecar.ack_written", create),
        Point("executor.snapshot.after_quiesce", create), Point("executor.set.after_switch", set),
    ]

    static let points =
        core
        + [
            "sidecar.request_seen", "sidecar.frozen", "sidecar.flushed", "sidecar.resume_seen", "sidecar.thawed",
            "sidecar.held_written", "quiesce.request_written", "quiesce.frozen_seen", "executor.snapshot.after_clone",
            "quiesce.resume_written",
        ].map { Point($0, create) }
        + [Point("executor.clone.entry", create, phases: 1, passage: 15)]
        + ["sidecar.resume_seen", "executor.set.after_freeze", "quiesce.resume_written"].map { Point($0, set) }

    private static let lease = Duration.seconds(1)

    @Test(arguments: points) func everythingComesRightWhoeverIsKilledOrStoppedAloneAndTogether(point: Point)
        async throws
    {
        try await ScratchFileSystem.with(.xfs) { fileSystem in
            let isCore = Self.core.contains { $0.testDescription == point.testDescription }
            for (number, blow) in (isCore ? Blow.all : Blow.alone).enumerated() {
                let path = "\(fileSystem.path)/\(number)"
                try systemCall("mkdir", path) { mkdir(path, 0o755) }
                do {
                    try await strike(blow, at: point, on: ScratchMount(at: path))
                } catch {
                    Issue.record("\(blow): \(error)")
                }
            }
        }
    }

    private func strike(_ blow: Blow, at point: Point, on scratch: ScratchMount) async throws {
        let world = try await World(scratch, point)
        let call = Task { try await world.executor.execute(point.operation, fence: 3, deadline: .seconds(60)) }
        let halted = point.isOfSidecar ? world.struck.sidecar : world.executor.process
        _ = try await halted.line(within: .seconds(30)) { $0 == "failpoint \(point.name)" }
        try await world.isStopped(halted.pid)
        let steps = try world.steps()
        let began = MonotonicTime.now
        try await world.deal(blow)
        // The executor stays where it is until its silence is felt.
        if point.isOfSidecar, !blow.meets(.sidecar) { halted.signal(SIGCONT) }

        try await world.progress(of: "other", since: steps, after: blow)
        let isHelpless = blow.meets(.sidecar) && blow.meets(.guardian)
        if isHelpless {
            // Nobody is left to thaw: so it may stand, but for longer than its lease nothing may be made of that.
            try await eventually("the lease is over") { .now > began + Self.lease * 2 }
        } else {
            try await world.progress(of: "struck", since: steps, after: blow)
        }
        try await world.heal(blow)
        halted.signal(SIGCONT)
        try await world.progress(after: blow)

        let outcome = await call.result
        // Beside a stopped guardian the sidecar still lets its agent go itself, and in time.
        if point.isWithinFreeze, !point.isOfSidecar || blow.meets(.sidecar) || (blow.meets(.guardian) && blow.kills) {
            #expect(try world.published == world.before, "\(blow): \(outcome)")
            if !(blow.kills && blow.meets(.executor)), case .success(let outcome) = outcome {
                let code = outcome.failure?.code
                #expect(code == .quiesceBroken || code == .quiesceTimeout, "\(blow): \(outcome)")
            }
        }
        try await world.expectService(of: point.operation, after: blow)
    }
}

/// What is struck.
private final class World: @unchecked Sendable {
    // Unchecked: one task at a time uses it.
    let scratch: ScratchMount
    let struck: Sandbox
    private(set) var executor: ExecutorProcess
    /// Whoever took the place of the one that was struck.
    private var successor: Sandbox?
    private let other: Sandbox
    private let settings: [String: String]
    /// What was published when all began.
    private(set) var before: Set<String> = []

    init(_ scratch: ScratchMount, _ point: StrikeTests.Point) async throws {
        self.scratch = scratch
        let failpoint = "\(point.name):stop@\(point.passage)"
        settings = [
            "EXECUTOR_ENGINE": "reflink", "EXECUTOR_FREEZE_LEASE": "1s", "EXECUTOR_QUIESCE_TIMEOUT": "3s",
            "EXECUTOR_CLONE_PHASES": "\(point.phases)",
        ]
        let first = try await ExecutorProcess(scratch, settings: settings)
        _ = try await first.execute(.initWorkspace(liveID: Ids.live, owner: nil), fence: 1)
        let still = try await Sidecar(scratch)
        let create = Operation.snapshotCreate(snapshotID: Ids.snapshot, message: "first")
        guard try await first.execute(create, fence: 2).snapshot != nil else {
            throw Unexpected(outcome: first.process.tail)
        }
        try await still.stop()
        first.process.end()
        executor = try await ExecutorProcess(
            scratch, failpoint: point.isOfSidecar ? nil : failpoint, settings: settings)
        struck = try await Self.sandbox(scratch, "struck", failpoint: point.isOfSidecar ? failpoint : nil)
        other = try await Self.sandbox(scratch, "other")
        before = try published
        try await progress()
    }

    /// An agent that can be held against its word, below a sidecar with a state folder of its own, as in a container.
    private static func sandbox(
        _ scratch: ScratchMount, _ name: String, state: String? = nil, failpoint: String? = nil
    ) async throws -> Sandbox {
        let workspace = "\(scratch.path)/ws-1"
        let agent = [
            ProgramProcess.folder + "/demo-agent", "run", "--workspace", workspace, "--name", name, "--cells", "8",
        ]
        return try await Sandbox(
            workspace, state: "\(scratch.path).\(state ?? name)", agent, options: ["--user", "1000:1000"],
            environment: failpoint.map { ["WVS_FAILPOINT": $0] } ?? [:])
    }

    // MARK: The blow

    func deal(_ blow: StrikeTests.Blow) async throws {
        let guardian = try #require(try Sandbox.guardian(of: struck.sidecar.pid))
        let pids = blow.parties.map { party in
            switch party {
            case .sidecar: struck.sidecar.pid
            case .guardian: guardian
            case .executor: executor.process.pid
            }
        }
        // Stopped first, so that nobody sees another one die.
        for pid in pids { kill(pid, SIGSTOP) }
        for pid in pids { try await isStopped(pid) }
        stopped = blow.kills ? [] : pids
        if blow.kills { for pid in pids { kill(pid, SIGKILL) } }
    }

    private var stopped: [CInt] = []

    /// Lets whoever was stopped go on, and puts another in the place of whoever was killed.
    func heal(_ blow: StrikeTests.Blow) async throws {
        for pid in stopped { kill(pid, SIGCONT) }
        guard blow.kills else { return }
        if blow.meets(.executor) {
            executor.process.wait()
            executor = try await ExecutorProcess(scratch, settings: settings)
        }
        guard blow.meets(.sidecar) || blow.meets(.guardian) else { return }
        // Without its guardian a sidecar ends.
        if !blow.meets(.sidecar) { kill(struck.sidecar.pid, SIGCONT) }
        // Its agent has its standard output: that does not end.
        try await eventually("the sidecar has ended", within: .seconds(30)) { self.struck.sidecar.hasEnded }
        let steps = try self.steps()
        successor = try await Self.sandbox(scratch, "successor", state: "struck")
        try await progress(of: "struck", since: steps, after: blow)
        // Nobody answers for it any more.
        kill(struck.agent, SIGKILL)
        try await eventually("the old agent is gone", within: .seconds(30)) {
            ProcessState.of(self.struck.agent) == nil
        }
    }

    // MARK: What comes of it

    func isStopped(_ pid: CInt) async throws {
        try await eventually("process \(pid) is stopped", within: .seconds(30)) {
            ["T", nil].contains(ProcessState.of(pid))
        }
    }

    /// By agent: what it has done in the tree that is current.
    func steps() throws -> [String: Int] {
        let current = "\(scratch.path)/ws-1/current"
        return try FileManager.default.contentsOfDirectory(atPath: current).reduce(into: [:]) { steps, name in
            let parts = name.split(separator: "-")
            guard parts.first == "ledger", parts.count == 3 else { return }
            let text = (try? String(contentsOfFile: "\(current)/\(name)/done", encoding: .utf8)) ?? ""
            steps[String(parts[1])] = Int(text.filter(\.isNumber)) ?? 0
        }
    }

    /// Waits until an agent has done some more steps than it had; or, where the tree is another by then, than it had there.
    func progress(of name: String, since steps: [String: Int], after blow: StrikeTests.Blow?) async throws {
        var last = steps[name] ?? 0
        var gain = 0
        let what = blow.map { "\(name) runs again after \($0)" } ?? "\(name) runs"
        try await eventually(what, within: .seconds(30)) {
            let now = try self.steps()[name] ?? 0
            gain += max(0, now - last)
            last = now
            return gain > 3
        }
    }

    func progress(after blow: StrikeTests.Blow? = nil) async throws {
        let steps = try self.steps()
        try await progress(of: "other", since: steps, after: blow)
        try await progress(of: successor == nil ? "struck" : "successor", since: steps, after: blow)
    }

    var published: Set<String> {
        get throws {
            Set(
                try FileManager.default.contentsOfDirectory(atPath: "\(scratch.path)/ws-1/snapshots").filter {
                    StagedName($0) == nil && !$0.hasSuffix(".json")
                })
        }
    }

    private func expectWhole(_ blow: StrikeTests.Blow) throws {
        for id in try published {
            let problems = try LedgerCheck.run(root: "\(scratch.path)/ws-1/snapshots/\(id)").problems
            #expect(problems.isEmpty, "\(blow): \(id): \(problems)")
        }
    }

    /// The attempt's outcome can be had, the operation be done, and another snapshot be taken of both agents.
    func expectService(of operation: Operation, after blow: StrikeTests.Blow) async throws {
        try expectWhole(blow)
        _ = try await executor.settle(operation, fence: 4)
        var fence: UInt64 = 4
        // On a busy machine so short a lease may lapse by itself.
        try await eventually("it is done again after \(blow)", within: .seconds(60)) {
            fence += 1
            return try await self.executor.execute(operation, fence: fence, deadline: .seconds(30)).failure == nil
        }
        if case .setCurrent(_, let liveID, _) = operation {
            #expect(try scratch.directory("ws-1").readLink("current") == "live/\(liveID)", "\(blow)")
        }
        try await progress(after: blow)
        let next = Operation.snapshotCreate(snapshotID: "01890000-0000-7000-8000-0000000000e9", message: "")
        try await eventually("the next snapshot is taken after \(blow)", within: .seconds(60)) {
            fence += 1
            let outcome = try await self.executor.execute(next, fence: fence, deadline: .seconds(30))
            guard let receipt = outcome.snapshot?.receipt else { return false }
            #expect(
                receipt.acknowledgements.count == 2 && receipt.acknowledgements.allSatisfy(\.held),
                "\(blow): \(outcome)")
            return true
        }
        try expectWhole(blow)
        try await progress(after: blow)
        try await eventually("nothing is left behind after \(blow)", within: .seconds(30)) {
            try self.scratch.tree().filter { StagedName(String($0.split(separator: "/").last ?? "")) != nil }.isEmpty
        }
        #expect(executor.process.end() == 0)
    }
}
