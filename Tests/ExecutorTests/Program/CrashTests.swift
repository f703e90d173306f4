import ExecutorRPC
import Foundation
import Glibc
import GRPCTransport
import RuntimeCore
import TestSupport
import Testing

@testable import Executor

/// kill -9 at each named point of each operation: what is published afterwards is decided by the commit point alone.
@Suite(.serialized) struct CrashTests {
    struct Point: CustomTestStringConvertible, Sendable {
        let name: String
        let operation: Operation
        let isPublished: Bool

        var testDescription: String { name }
    }

    private static let live = "01890000-0000-7000-8000-0000000000b1"
    private static let snapshot = "01890000-0000-7000-8000-0000000000b2"

    static let points: [Point] = {
        let create = Operation.snapshotCreate(snapshotID: snapshot, message: "")
        let set = Operation.setCurrent(snapshotID: Ids.snapshot, liveID: live, discard: false)
        let drop = Operation.snapshotDrop(snapshotID: Ids.snapshot)
        func points(_ operation: Operation, _ prefix: String, _ before: [String], _ after: [String]) -> [Point] {
            before.map { Point(name: "\(prefix).\($0)", operation: operation, isPublished: false) }
                + after.map { Point(name: "\(prefix).\($0)", operation: operation, isPublished: true) }
        }
        return points(
            create, "executor.snapshot",
            ["after_first_phase", "after_quiesce", "after_clone", "after_resume", "after_sync", "before_publish"],
            ["after_publish"])
            + points(create, "executor.clone", ["entry"], [])
            + points(
                set, "executor.set", ["after_clone", "after_sync", "after_freeze", "after_publish"],
                ["after_switch", "after_resume"])
            + points(drop, "executor.drop", ["before_rename"], ["after_rename", "after_sync"])
    }()

    @Test(arguments: points) func aKilledOperationIsPublishedOrLeavesNothing(point: Point) async throws {
        let rig = try await Rig()
        let sidecar = try await rig.makeSnapshot()
        let before = try rig.published()
        let killed = try await ExecutorProcess(rig.scratch, failpoint: point.name)
        await #expect(throws: GRPCError.self) { try await killed.execute(point.operation, fence: 3) }
        #expect(try await killed.process.ended() == 128 + SIGKILL)
        #expect(killed.process.lines.contains("failpoint \(point.name)"))

        let executor = try await ExecutorProcess(rig.scratch)
        try await eventually("the agent runs again") { !sidecar.agent.isFrozen }
        let settled = try await executor.settle(point.operation, fence: 4)
        #expect((settled != .notPublished) == point.isPublished, "\(settled)")
        // The record of a tree that was taken away keeps its name from being used again.
        let reserved = point.name == "executor.set.after_publish" ? ["\(Self.live).json"] : []
        if !point.isPublished { #expect(try Set(rig.published()) == Set(before + reserved)) }
        try await eventually("nothing is left behind") { try rig.leftovers().isEmpty }

        let repeated = try await executor.execute(point.operation, fence: 5)
        guard case .result(let result) = repeated else { throw Unexpected(outcome: "\(repeated)") }
        if case .published(let published) = settled { #expect(result == published) }
        try await eventually("nothing is left behind") { try rig.leftovers().isEmpty }
        #expect(executor.process.end() == 0)
        try await sidecar.stop()
    }

    @Test(arguments: [("after_build", false), ("before_publish", false), ("after_publish", true)])
    func aKilledCreationIsPublishedOrLeavesNothing(point: String, isPublished: Bool) async throws {
        let scratch = try ScratchMount()
        let operation = Operation.initWorkspace(liveID: Ids.live, owner: nil)
        let killed = try await ExecutorProcess(scratch, failpoint: "executor.init.\(point)")
        await #expect(throws: GRPCError.self) { try await killed.execute(operation, fence: 1) }
        #expect(try await killed.process.ended() == 128 + SIGKILL)
        #expect(scratch.exists("ws-1") == isPublished)

        let executor = try await ExecutorProcess(scratch)
        #expect(try await executor.settle(operation, fence: 2) != .notPublished || !isPublished)
        let result = TaskResult.initWorkspace(currentPath: "live/\(Ids.live)")
        #expect(try await executor.execute(operation, fence: 3) == .result(result))
        try await eventually("nothing is left behind") {
            try scratch.tree().filter { $0.contains(".staging") || $0.contains(".trash") || $0.hasSuffix("init/ws-1") }
                .isEmpty
        }
        #expect(executor.process.end() == 0)
    }
}

extension Rig {
    /// What a workspace shows: `current` and the trees and records below `live` and `snapshots`.
    func published() throws -> [String] {
        let root = try scratch.directory("ws-1")
        return [try root.readLink("current") ?? ""]
            + (try root.open("live").names() + root.open("snapshots").names()).filter { StagedName($0) == nil }.sorted()
    }

    /// Staging and trash anywhere in the mount.
    func leftovers() throws -> [String] {
        try scratch.tree().filter { path in StagedName(String(path.split(separator: "/").last ?? "")) != nil }
    }
}
