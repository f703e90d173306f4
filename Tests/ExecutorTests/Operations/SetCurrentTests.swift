import ExecutorRPC
import Foundation
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

@Suite struct SetCurrentTests {
    private static func live(_ number: Int) -> String { "01890000-0000-7000-8000-1000000000\(10 + number)" }

    private func set(_ number: Int, discard: Bool = false) -> Operation {
        .setCurrent(snapshotID: Ids.snapshot, liveID: Self.live(number), discard: discard)
    }

    @Test func currentMovesToAFreshCloneAndTheAgentStandsStillOnlyForTheSwitch() async throws {
        let frozenAtClone = Mutex<[Bool]>([])
        let agent = Mutex<StillAgent?>(nil)
        let rig = try await Rig {
            guard let isFrozen = agent.withLock({ $0?.isFrozen }) else { return }
            frozenAtClone.withLock { $0.append(isFrozen) }
        }
        let sidecar = try await rig.makeSnapshot()
        agent.withLock { $0 = sidecar.agent }
        try rig.scratch.write("two", to: "ws-1/current/file")
        let outcome = try await rig.execute(set(1), fence: 3)
        let result = try #require(outcome.current, "\(outcome)")
        #expect(
            result.currentSnapshotID == Ids.snapshot && result.currentPath == "live/\(Self.live(1))" && !result.noop)
        #expect(result.receipt?.acknowledgements.count == 1)
        #expect(try rig.text("current/file") == "one")
        #expect(try rig.text("live/\(Ids.live)/file") == "two")
        #expect(frozenAtClone.withLock { $0 } == [false])
        #expect(!sidecar.agent.isFrozen && sidecar.agent.freezes == 2)
        #expect(
            try rig.names("live").sorted()
                == [Ids.live, "\(Ids.live).json", Self.live(1), "\(Self.live(1)).json"].sorted())
        #expect(try rig.names("") == [".wvs", "current", "live", "snapshots"])
        try await sidecar.stop()
    }

    @Test func aRepeatedCallAnswersWithTheRecordedReceipt() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let first = try await rig.execute(set(1, discard: true), fence: 3)
        #expect(first.current?.receipt != nil)
        #expect(try await rig.execute(set(1, discard: true), fence: 4) == first)
        #expect(
            try await rig.settle(set(1, discard: true), fence: 5) == first.current.map { .published(.setCurrent($0)) })
        #expect(rig.engine.clones == 2 && sidecar.agent.freezes == 2)
        try await sidecar.stop()
    }

    @Test func theSnapshotThatIsCurrentAlreadyIsNoWorkUnlessChangesAreDiscarded() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        _ = try await rig.execute(set(1), fence: 3)
        try rig.scratch.write("changed", to: "ws-1/current/file")
        let noop = try await rig.execute(set(2), fence: 4).current
        #expect(noop?.noop == true && noop?.currentPath == "live/\(Self.live(1))" && noop?.receipt == nil)
        #expect(try rig.text("current/file") == "changed" && rig.engine.clones == 2)
        let discarded = try await rig.execute(set(3, discard: true), fence: 5).current
        #expect(discarded?.noop == false && discarded?.currentPath == "live/\(Self.live(3))")
        #expect(try rig.text("current/file") == "one")
        try await sidecar.stop()
    }

    @Test(arguments: [0, 1, 2]) func olderLiveTreesAreRemovedAsTheRecordsSay(retention: Int) async throws {
        let rig = try await Rig(settings: ["EXECUTOR_LIVE_RETENTION": "\(retention)"])
        let sidecar = try await rig.makeSnapshot()
        _ = try rig.scratch.directory("ws-1/live/of-somebody")
        for number in 1...4 {
            _ = try #require(try await rig.execute(set(number, discard: true), fence: UInt64(2 + number)).current)
        }
        let kept = (4 - retention...4).map(Self.live)
        #expect(try rig.names("live") == (kept + kept.map { "\($0).json" } + ["of-somebody"]).sorted())
        try await sidecar.stop()
    }

    @Test func aSnapshotThatIsNotThereIsNotRetried() async throws {
        let rig = try await Rig()
        try await rig.makeWorkspace()
        let failure = try await rig.execute(set(1), fence: 2).failure
        #expect(failure?.code == .notFound && failure?.retryable == false)
    }

    @Test func withoutAnAnswerFromTheSidecarCurrentStaysAndNothingIsLeft() async throws {
        let first = try await Rig()
        try await first.makeSnapshot().stop()
        let rig = try await Rig(on: first.scratch, settings: ["EXECUTOR_QUIESCE_TIMEOUT": "100ms"])
        let failure = try await rig.execute(set(1), fence: 3).failure
        #expect(failure?.code == .quiesceTimeout)
        #expect(try rig.names("live") == [Ids.live, "\(Ids.live).json"])
        #expect(try rig.names("") == [".wvs", "current", "live", "snapshots"])
        #expect(try rig.scratch.directory("ws-1").readLink("current") == "live/\(Ids.live)")
    }

    @Test func anAgentThatRanTooEarlyDoesNotUndoASwitch() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        sidecar.agent.loseLeases()
        let result = try await rig.execute(set(1), fence: 3).current
        #expect(result?.currentPath == "live/\(Self.live(1))")
        #expect(result?.receipt?.acknowledgements.first?.held == false)
        #expect(try rig.text("current/file") == "one")
        try await sidecar.stop()
    }

    @Test func anAttemptTakenOverWhileTheAgentIsFrozenDoesNotSwitch() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let folder = try #require(try WorkspaceFolder(mount: rig.scratch.root(), wsid: "ws-1"))
        sidecar.agent.whileFrozen {
            do { _ = try folder.takeOver(fence: 9, durable: false) } catch { Issue.record(error) }
        }
        let failure = try await rig.execute(set(1), fence: 3).failure
        #expect(failure?.code == .fenced && failure?.storedFence == 9)
        #expect(try folder.currentLiveID() == Ids.live)
        #expect(try rig.names("live") == [Ids.live, "\(Ids.live).json"])
        try await sidecar.stop()
    }

    @Test func whatAnAttemptLeftThatDiedBetweenTreeAndLinkIsBuiltAnew() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        _ = try rig.scratch.directory("ws-1/live/\(Self.live(1))/half")
        try rig.scratch.write("{}", to: "ws-1/live/\(Self.live(1)).json")
        #expect(try await rig.settle(set(1), fence: 3) == .notPublished)
        #expect(try rig.names("live") == [Ids.live, "\(Ids.live).json", "\(Self.live(1)).json"].sorted())
        _ = try rig.scratch.directory("ws-1/live/\(Self.live(1))/half")
        #expect(try await rig.execute(set(1), fence: 4).current?.noop == false)
        #expect(try FileManager.default.contentsOfDirectory(atPath: "\(rig.scratch.path)/ws-1/current") == ["file"])
        try await sidecar.stop()
    }

    /// A database that was set back to before a task runs it again, when the workspace has gone on since.
    @Test(arguments: [1, 2]) func aTaskThatRunsAgainAfterTheFutureWasLostSwitchesOnceMore(steps: Int) async throws {
        let rig = try await Rig(settings: ["EXECUTOR_LIVE_RETENTION": "9"])
        let sidecar = try await rig.makeSnapshot()
        for step in 0...steps {
            _ = try #require(try await rig.execute(set(step, discard: true), fence: UInt64(3 + step)).current)
            try rig.scratch.write("step \(step)", to: "ws-1/current/file")
        }
        let before = try rig.names("live")
        #expect(try await rig.settle(set(0, discard: true), fence: 50) == .notPublished)
        #expect(try rig.names("live") == before, "what was current once is not taken away")
        let freezes = sidecar.agent.freezes
        let again = try await rig.execute(set(0, discard: true), fence: 51)
        let result = try #require(again.current, "\(again)")
        let fresh = String(result.currentPath.dropFirst("live/".count))
        #expect(!result.noop && sidecar.agent.freezes == freezes + 1 && !before.contains(fresh))
        #expect(try rig.text("current/file") == "one" && rig.text("live/\(Self.live(0))/file") == "step 0")
        #expect(try rig.names("live") == (before + [fresh, "\(fresh).json"]).sorted())
        // An answer that was lost is found, and who comes next finds the way back through all of them.
        #expect(try await rig.settle(set(0, discard: true), fence: 52) == .published(.setCurrent(result)))
        #expect(try await rig.execute(set(0, discard: true), fence: 53) == again)
        let folder = try #require(try WorkspaceFolder(mount: rig.scratch.root(), wsid: "ws-1"))
        #expect(try folder.predecessors() == (0...steps).reversed().map(Self.live) + [Ids.live])
        try await sidecar.stop()
    }

    @Test func theRemainsOfATaskThatRanAgainAreFoundUnderTheirOwnName() async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        for step in 0...1 { _ = try await rig.execute(set(step, discard: true), fence: UInt64(3 + step)) }
        let before = try rig.published()
        let executor = try await ExecutorProcess(rig.scratch, failpoint: "executor.set.after_publish:kill")
        _ = try? await executor.execute(set(0, discard: true), fence: 5)
        #expect(try rig.published().count == before.count + 2)
        #expect(try await rig.settle(set(0, discard: true), fence: 6) == .notPublished)
        #expect(try rig.published() == before)
        try await sidecar.stop()
    }
}
